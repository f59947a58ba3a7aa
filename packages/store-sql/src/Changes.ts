// Longer than 200 lines: one feed, in three ways that replace each other while it runs.

import { SqlClient, type SqlError } from "@effect/sql"
import type { TokenChange } from "@evertoken/core/store"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Run, sessions } from "./statements/Sessions.js"
import { decoded, Int, type Names } from "./statements/Statements.js"

/** The part of PostgreSQL's client that hears notifications, known by its shape, so that others need no such client. */
export interface Listener {
  readonly listen: (channel: string) => Stream.Stream<string, SqlError.SqlError>
}

/** Whether `sql` can hear notifications. */
export const canListen = (sql: SqlClient.SqlClient): sql is SqlClient.SqlClient & Listener =>
  Predicate.hasProperty(sql, "listen") && Predicate.isFunction(sql.listen)

/**
 * Hints of changes from all processes, for as long as the scope lasts. The listener hears itself too; while it does not,
 * the table is asked each second. So it goes on where a connection died without a word, and where none can hear.
 */
export const changeFeed = Effect.fnUntraced(function* (
  client: SqlClient.SqlClient & Listener,
  names: Names,
  { answer = "10 seconds", deafFor = "1 hour", every = "20 seconds" }: ListenOptions = {}
) {
  const sql = client.withoutTransforms()
  const { channel } = names
  const changes = yield* PubSub.sliding<TokenChange>(1_000)
  const run = sessions(sql, names.tokens)
  let hears = false
  let hasHeard = false

  const listen = Effect.gen(function* () {
    if (yield* isPooled(sql, run)) return yield* new Deaf()
    const beat = `beat ${(yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)}`
    let beats = 0
    const hearing = Stream.runForEach(client.listen(channel), (payload) => {
      if (payload === beat) {
        beats++
        hears = hasHeard = true
      }
      return Option.match(parse(payload), { onNone: () => Effect.void, onSome: (change) => changes.publish(change) })
    })
    const send = Effect.timeout(run(sql`SELECT pg_notify(${channel}, ${beat})`), LIMIT)
    const wait = Effect.sleep(Duration.times(answer, 1 / TRIES))
    const beating = Effect.gen(function* () {
      const before = beats
      for (let tries = 0; tries < TRIES && beats === before; tries++) yield* Effect.zipRight(send, wait)
      if (beats === before) return yield* hasHeard ? new Silent() : new Deaf()
      yield* Effect.sleep(every)
    })
    const heard = Effect.repeat(Effect.zipRight(send, Effect.sleep("20 millis")), { until: () => beats > 0 })
    const settled = Effect.suspend(() => (beats > 0 ? Effect.void : heard))
    let isDead = false
    const watching = Effect.tapError(Effect.forever(beating), () =>
      Effect.sync(() => {
        isDead = true
      })
    )
    yield* Effect.raceFirst(
      leaving(hearing, settled, () => isDead),
      watching
    )
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        hears = false
      })
    )
  )

  let told = false
  const tell = Effect.suspend(() => {
    if (told) return Effect.void
    told = true
    return Effect.logWarning(DEAF)
  })
  const patience = Schedule.exponential("250 millis").pipe(
    Schedule.union(Schedule.spaced("30 seconds")),
    Schedule.jittered
  )
  yield* Effect.catchTag(listen, "Deaf", () => Effect.zipRight(tell, Effect.sleep(deafFor))).pipe(
    Effect.sandbox,
    Effect.zipRight(Effect.fail("ended")),
    Effect.retry(Schedule.resetAfter(patience, "1 minute")),
    Effect.forkScoped,
    Effect.interruptible
  )
  const ask = asks(sql, names, run, changes)
  yield* Effect.suspend(() => (hears ? Effect.void : ask)).pipe(
    Effect.sandbox,
    Effect.ignore,
    Effect.delay("1 second"),
    Effect.forever,
    Effect.forkScoped,
    Effect.interruptible
  )
  return Stream.fromPubSub(changes)
})

/**
 * Interrupted, the effect is waited for, so that its connection is given back before the pool ends; but not for long,
 * nor where `isDead` says so, since a dead connection may never answer its farewell. `RcRef.get`, which the client's
 * `listen` is made of, leaks the connection where it is interrupted while that is made, so `settled` is waited for first.
 */
const leaving = <A, E>(
  effect: Effect.Effect<A, E>,
  settled: Effect.Effect<unknown, unknown>,
  isDead: () => boolean
): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(Effect.forkDaemon(Effect.interruptible(effect)), Fiber.join, (fiber) =>
    isDead()
      ? Fiber.interruptFork(fiber)
      : Effect.raceFirst(Fiber.await(fiber), Effect.ignore(settled)).pipe(
          Effect.zipRight(Fiber.interrupt(fiber)),
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeout(FAREWELL),
          Effect.ignore
        )
  )

interface ListenOptions {
  /** How long to wait between two looks at the connection. */
  readonly every?: Duration.DurationInput | undefined
  /** How long it may take to be heard. */
  readonly answer?: Duration.DurationInput | undefined
  /** How long to ask instead of listening where nothing was ever heard. */
  readonly deafFor?: Duration.DurationInput | undefined
}

/** Nothing that was sent has ever been heard. */
class Deaf extends Data.TaggedError("Deaf") {}

/** Nothing is heard any more. */
class Silent extends Data.TaggedError("Silent") {}

const DEAF =
  "PostgreSQL's notifications cannot be relied on through a pooler: the token store asks for changes each second instead"
const LIMIT = "10 seconds"
const FAREWELL = "2 seconds"
const TRIES = 10

/**
 * Whether a pooler is between: then the process of the database that answers is not the one that the session was told
 * of. To try `LISTEN` there would leave it behind in a connection that others are given.
 */
const isPooled = (sql: SqlClient.SqlClient, run: Run) =>
  run(
    Effect.zipWith(
      sql<{ readonly pid: unknown }>`SELECT pg_backend_pid() AS pid`,
      Effect.serviceOption(SqlClient.TransactionConnection),
      ([row], held) => {
        const told = Option.getOrUndefined(Option.map(held, ([connection]) => processId(connection)))
        return told !== undefined && told !== Number(row?.pid)
      }
    )
  ).pipe(Effect.timeout(LIMIT))

/** The process that `pg` was told of, in a client's connection that is known by its shape. */
const processId = (connection: object): unknown => {
  const { pg }: { readonly pg?: unknown } = connection
  return Predicate.hasProperty(pg, "processID") ? pg.processID : undefined
}

/** Publishes what was written since it was asked the last time. A statement is seen that began before and ended after. */
const asks = (sql: SqlClient.SqlClient, names: Names, run: Run, changes: PubSub.PubSub<TokenChange>) => {
  const now = sql.literal("floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint")
  let seen = new Map<string, number>()
  return run(
    sql`SELECT key, generation FROM ${sql(names.tokens)} WHERE scheduled_at > ${now} - 15000
      AND scheduled_at <= ${now} + 1000 ORDER BY scheduled_at DESC LIMIT 1000`
  ).pipe(
    Effect.flatMap((rows) => decoded(decodeChanges(rows))),
    Effect.timeout(LIMIT),
    Effect.flatMap((rows) => {
      const before = seen
      seen = new Map(rows.map(({ generation, key }) => [key, generation]))
      return changes.publishAll(rows.filter(({ generation, key }) => before.get(key) !== generation))
    })
  )
}

const decodeChanges = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ key: Schema.String, generation: Int })))

/** What a notification says of a change: the generation, a space, the key. */
const parse = (payload: string): Option.Option<TokenChange> => {
  const space = payload.indexOf(" ")
  const generation = Number(payload.slice(0, space))
  return space > 0 && Number.isSafeInteger(generation)
    ? Option.some({ key: payload.slice(space + 1), generation })
    : Option.none()
}
