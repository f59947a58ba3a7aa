import type { SqlClient } from "@effect/sql"
import type { Connection } from "@effect/sql/SqlConnection"
import type { TokenChange } from "@evertoken/core"
import { Data, type Duration, Effect, Option, Predicate, PubSub, Queue, Random, Schedule, Schema, Stream } from "effect"
import { type Run, sessions } from "./Sessions.js"
import { decoded, Int, type Names } from "./Statements.js"

/**
 * Hints of changes from all processes, for as long as the scope lasts: one connection of the pool hears PostgreSQL's
 * notifications. One that died without a word is noticed, since it no longer hears itself; it is closed, another takes
 * its place, and the stream goes on. Where no connection can be had for it, the table is asked instead.
 */
export const changeFeed = Effect.fnUntraced(function* (
  client: SqlClient.SqlClient,
  names: Names,
  { answer = "5 seconds", every = "20 seconds", deafFor = "1 hour" }: ListenOptions = {}
) {
  const sql = client.withoutTransforms()
  const { channel } = names
  const changes = yield* PubSub.sliding<TokenChange>(1_000)
  const run = sessions(sql)

  const listen = Effect.gen(function* () {
    const connection = yield* sql.reserve
    const session = hearing(connection)
    if (session === undefined) return yield* new Deaf()
    // Others could not use it, and its farewell may never be answered.
    yield* Effect.addFinalizer(() => Effect.sync(() => session.end()))
    if (yield* Effect.timeout(isShared(connection, sql), LIMIT)) return yield* new Deaf()

    const heard = yield* Queue.unbounded<string>()
    const beat = `beat ${(yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)}`
    let beats = 0
    const hear = Effect.flatMap(heard.take, (payload) => {
      if (payload === beat) beats++
      return Option.match(parse(payload), { onNone: () => Effect.void, onSome: (change) => changes.publish(change) })
    })
    session.on("notification", (note) => {
      if (Predicate.hasProperty(note, "payload") && Predicate.isString(note.payload)) heard.unsafeOffer(note.payload)
    })
    const ended = Effect.async<never, string>((resume) => {
      session.on("end", () => resume(Effect.fail("ended")))
    })
    yield* Effect.timeout(connection.executeRaw(`LISTEN "${channel}"`, []), LIMIT)
    const beating = Effect.gen(function* () {
      const before = beats
      yield* Effect.sleep(every)
      yield* Effect.timeout(run(sql`SELECT pg_notify(${channel}, ${beat})`), LIMIT)
      yield* Effect.sleep(answer)
      if (beats === 0) return yield* new Deaf()
      if (beats === before) return yield* Effect.fail("silence")
    })
    yield* Effect.all([ended, Effect.forever(beating), Effect.forever(hear)], { concurrency: "unbounded" })
  }).pipe(Effect.scoped)

  let told = false
  const tell = Effect.suspend(() => {
    if (told) return Effect.void
    told = true
    return Effect.logWarning(DEAF)
  })
  const asking = Effect.repeat(asks(sql, names, run, changes), Schedule.spaced("1 second"))
  const feed = Effect.catchTag(listen, "Deaf", () => Effect.zipRight(tell, Effect.timeoutOption(asking, deafFor)))
  const patience = Schedule.exponential("250 millis").pipe(
    Schedule.union(Schedule.spaced("30 seconds")),
    Schedule.jittered
  )
  yield* Effect.sandbox(feed).pipe(
    Effect.zipRight(Effect.fail("ended")),
    Effect.retry(Schedule.resetAfter(patience, "1 minute")),
    Effect.forkScoped,
    Effect.interruptible
  )
  return Stream.fromPubSub(changes)
})

interface ListenOptions {
  /** How long to wait between two looks at the connection. */
  readonly every?: Duration.DurationInput | undefined
  /** How long it may take to be heard. */
  readonly answer?: Duration.DurationInput | undefined
  /** How long to ask instead of listening where nothing is heard. */
  readonly deafFor?: Duration.DurationInput | undefined
}

/** No connection can be had that hears anything. */
class Deaf extends Data.TaggedError("Deaf") {}

const DEAF = `PostgreSQL's notifications do not reach the token store, which asks for changes each second instead. They need \
a connection that stays: no pooler in transaction mode, and a pool of at least two`

const LIMIT = "10 seconds"

/** The session of `pg` in a client's connection, known by its shape. */
const hearing = (connection: object): Session | undefined => {
  const { pg }: { readonly pg?: unknown } = connection
  return isSession(pg) ? pg : undefined
}

interface Session {
  readonly on: (event: "notification" | "end", listener: (note: unknown) => void) => unknown
  readonly end: () => unknown
}

const isSession = (value: unknown): value is Session =>
  Predicate.hasProperty(value, "on") &&
  Predicate.isFunction(value.on) &&
  Predicate.hasProperty(value, "end") &&
  Predicate.isFunction(value.end)

/**
 * Whether this connection and one more are served by one process of the database, or one of them by several, as a pooler
 * in transaction mode does; or there is no other. To try it with `LISTEN` would leave that where others find it.
 */
const isShared = Effect.fnUntraced(function* (mine: Connection, sql: SqlClient.SqlClient) {
  const yours = yield* Effect.timeoutOption(sql.reserve, "2 seconds")
  if (Option.isNone(yours)) return true
  const ask = (connection: Connection) => connection.executeValues("SELECT pg_backend_pid()", [])
  const pairs = yield* Effect.replicateEffect(Effect.all([ask(mine), ask(yours.value)]), 5)
  const pids = pairs.flat().map(([row]) => row?.[0])
  return pids.some((pid, at) => pid !== pids[at % 2]) || pids[0] === pids[1]
}, Effect.scoped)

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
