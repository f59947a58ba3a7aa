import type { SqlClient, SqlError } from "@effect/sql"
import type { TokenChange } from "@evertoken/core"
import { type Duration, Effect, Option, Predicate, PubSub, Random, Schedule, Stream } from "effect"
import { outsideTransaction } from "./Statements.js"

/** The part of PostgreSQL's client that hears notifications, known by its shape, so that others need no such client. */
export interface Listener {
  readonly listen: (channel: string) => Stream.Stream<string, SqlError.SqlError>
}

/** Whether `sql` can hear notifications. */
export const canListen = (sql: SqlClient.SqlClient): sql is SqlClient.SqlClient & Listener =>
  Predicate.hasProperty(sql, "listen") && Predicate.isFunction(sql.listen)

/**
 * Hints of changes from all processes, for as long as the scope lasts. A connection that died without a word is noticed,
 * since the listener no longer hears itself; then another takes its place, and the stream goes on.
 */
export const changeFeed = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient & Listener,
  channel: string,
  { answer = "5 seconds", every = "20 seconds" }: ListenOptions = {}
) {
  const changes = yield* PubSub.sliding<TokenChange>(1_000)
  const listen = Effect.gen(function* () {
    const beat = `beat ${(yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)}`
    let heard = false
    const hearing = Stream.runForEach(sql.listen(channel), (payload) => {
      if (payload === beat) heard = true
      return Option.match(parse(payload), { onNone: () => Effect.void, onSome: (change) => changes.publish(change) })
    })
    const beating = Effect.gen(function* () {
      heard = false
      yield* Effect.sleep(every)
      yield* outsideTransaction(sql`SELECT pg_notify(${channel}, ${beat})`)
      yield* Effect.sleep(answer)
      if (!heard) return yield* Effect.fail("silence")
    })
    // A dead connection may never answer its farewell, which is not waited for.
    yield* Effect.raceFirst(Effect.disconnect(hearing), Effect.forever(beating))
  })
  const patience = Schedule.exponential("250 millis").pipe(
    Schedule.union(Schedule.spaced("30 seconds")),
    Schedule.jittered
  )
  yield* Effect.sandbox(listen).pipe(
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
}

/** What a notification says of a change: the generation, a space, the key. */
const parse = (payload: string): Option.Option<TokenChange> => {
  const space = payload.indexOf(" ")
  const generation = Number(payload.slice(0, space))
  return space > 0 && Number.isSafeInteger(generation)
    ? Option.some({ key: payload.slice(space + 1), generation })
    : Option.none()
}
