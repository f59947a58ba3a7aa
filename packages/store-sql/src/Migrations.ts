import { SqlClient } from "@effect/sql"
import * as Migrator from "@effect/sql/Migrator"
import { TokenStoreError } from "@evertoken/core"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { neverStandStill } from "./dialects/Sqlite.js"
import { PATIENCE } from "./statements/Conflicts.js"
import { first, second } from "./statements/Schema.js"
import { isDenied, setupOf } from "./statements/Setup.js"
import { COLUMNS, type Names, outsideTransaction, sqlClient, unreachable } from "./statements/Statements.js"

/** Makes and upgrades the tables, whoever else does so at the same time. Where they are up to date it only looks. */
export const migrate = Effect.fnUntraced(function* (names: Names) {
  const sql = (yield* sqlClient).withoutTransforms()
  const steps = stepsOf(sql, names)

  // Unprepared, since SQLite's client remembers for minutes that a statement could not be prepared.
  const version = sql<{ id: unknown }>`SELECT max(migration_id) AS id FROM ${sql(names.migrations)}`.unprepared
  const columns = sql`SELECT ${sql.literal(COLUMNS)} FROM ${sql(names.tokens)} WHERE 1 = 0`.unprepared
  const ready = Effect.zipLeft(version, columns).pipe(
    Effect.sandbox,
    Effect.filterOrFail(
      ([row]) => Number(row?.id) >= steps.length,
      () => Cause.fail(new TokenStoreError({ reason: "unreachable", detail: "the tables are older than this program" }))
    )
  )
  const loader = Effect.succeed(steps.map(([name, step], at) => [at + 1, name, Effect.succeed(step)] as const))
  // Where tables are made outside of transactions, a process may have died between its note of a step and the step.
  const again = Effect.zipRight(Effect.sandbox(Effect.forEach(steps, ([, step]) => step, { discard: true })), ready)
  const run: Effect.Effect<unknown, Cause.Cause<unknown>, SqlClient.SqlClient> = schema(sql, names).pipe(
    Effect.zipRight(Migrator.make({})({ loader, table: names.migrations })),
    Effect.sandbox,
    Effect.zipRight(Effect.orElse(ready, () => again))
  )
  // Those who start at the same time trip over each other; who lost finds the tables made the next time.
  const patience = Schedule.jittered(Schedule.spaced("100 millis")).pipe(Schedule.upTo(PATIENCE))
  yield* neverStandStill(sql)
  yield* ready.pipe(
    Effect.catchAll(() => Effect.retry(run, { schedule: patience, while: (cause) => !isDenied(Cause.squash(cause)) })),
    Effect.catchAll((cause) => setupOf(Cause.squash(cause), names.tokens) ?? unreachable(cause)),
    Effect.provideService(SqlClient.SqlClient, sql),
    outsideTransaction,
    // A client may wait for a dead connection although it is interrupted.
    Effect.disconnect,
    Effect.timeoutFail({
      duration: LIMIT,
      onTimeout: () => new TokenStoreError({ reason: "unreachable", detail: "the tables were not made in time" })
    })
  )
})

const LIMIT = Duration.seconds(30)

const stepsOf = (sql: SqlClient.SqlClient, names: Names) => [
  ["tokens", first(sql, names)] as const,
  ["clock", second(sql, names)] as const
]

/** Whether the tables are there, and as new as this program; it only looks. */
export const look = Effect.fnUntraced(function* (names: Names) {
  const sql = (yield* sqlClient).withoutTransforms()
  const table = names.migrations
  const found = sql.onDialectOrElse({
    pg: () => sql`SELECT 1 AS found WHERE to_regclass(${table}) IS NOT NULL`,
    mysql: () =>
      sql`SELECT 1 AS found FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ${table}`,
    orElse: () => sql`SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ${table}`
  })
  const version = sql<{ id: unknown }>`SELECT max(migration_id) AS id FROM ${sql(table)}`.unprepared
  yield* neverStandStill(sql)
  return yield* Effect.flatMap(found, (rows) =>
    rows.length === 0
      ? Effect.succeed("absent" as const)
      : Effect.map(version, ([row]) =>
          Number(row?.id) >= stepsOf(sql, names).length ? ("ready" as const) : ("older" as const)
        )
  ).pipe(
    Effect.sandbox,
    Effect.catchAll(unreachable),
    outsideTransaction,
    Effect.disconnect,
    Effect.timeoutFail({
      duration: PATIENCE,
      onTimeout: () => new TokenStoreError({ reason: "unreachable", detail: "the database did not answer in time" })
    })
  )
})

const schema = (sql: SqlClient.SqlClient, names: Names) =>
  names.schema === undefined
    ? Effect.void
    : sql.onDialectOrElse({
        pg: () => Effect.asVoid(sql`CREATE SCHEMA IF NOT EXISTS ${sql(names.schema ?? "")}`),
        orElse: () => Effect.void
      })
