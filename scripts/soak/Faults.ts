import { SqlClient } from "@effect/sql"
import { type Duration, Effect, Layer, Random, type Scope } from "effect"
import type { Proxy } from "../../packages/store-sql/test/Proxy.js"
import { connection } from "./Connection.js"

/**
 * Nobody can write for so long: the file is locked, or the wire is cut, or it swallows all that is sent. If `stale`, a
 * replica then takes over that had copied the table up to a second before. Gives how many rows are of an older generation.
 */
export type Outage = (lasts: Duration.DurationInput, stale: boolean) => Effect.Effect<number, unknown>

/** `url` is the database itself, past the wire; a file has none. */
export const outages = (
  url: string,
  table: string,
  wire: Proxy | undefined
): Effect.Effect<Outage, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(connection(url)))
    const [tokens, replica] = [sql(table), sql(`${table}_replica`)]
    yield* sql`CREATE TABLE ${replica} AS SELECT * FROM ${tokens}`
    // The lock of the whole file, where there is one.
    const locked = sql.onDialectOrElse({
      sqlite: () => Effect.retry(sql`UPDATE ${sql(`${table}_mark`)} SET highest = highest`, { times: 20 }),
      orElse: () => Effect.void
    })
    const alone = yield* Effect.makeSemaphore(1)
    const copy = sql.withTransaction(
      Effect.all([locked, sql`DELETE FROM ${replica}`, sql`INSERT INTO ${replica} SELECT * FROM ${tokens}`])
    )
    yield* Effect.forkScoped(Effect.forever(Effect.delay(alone.withPermits(1)(Effect.ignore(copy)), "1 second")))

    const columns = [
      ...["generation", "payload", "key_id", "due_at", "scheduled_at", "refreshed_at", "lease_owner", "lease_until"],
      ...["leased_at", "intent_owner", "intent_at"]
    ]
    const older = sql.literal(columns.map((name) => `${name} = r.${name}`).join(", "))
    const back = Effect.map(
      sql`UPDATE ${tokens} SET ${older} FROM ${replica} AS r
        WHERE r.key = ${tokens}.key AND r.generation < ${tokens}.generation RETURNING 1`,
      (rows) => rows.length
    )
    return (lasts, stale) => {
      const replaced = stale ? back : Effect.succeed(0)
      const away = Effect.zipRight(Effect.sleep(lasts), replaced)
      const whole =
        wire === undefined
          ? sql.withTransaction(Effect.zipRight(locked, away))
          : Effect.flatMap(Random.nextBoolean, (cut) =>
              Effect.ensuring(Effect.zipRight(cut ? wire.cut : wire.hold, away), wire.mend)
            )
      return alone.withPermits(1)(whole)
    }
  })
