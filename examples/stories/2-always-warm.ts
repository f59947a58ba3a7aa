// A token that is always warm: it was an Elixir GenServer with an ETS table. `get` reads the provider's memory, which is the
// table; `ahead` and `retry` are the two `Process.send_after`. It needs no supervisor: a failure ends nothing.
import { FetchHttpClient } from "@effect/platform"
import { OAuth2, RefreshPolicy, TokenProvider } from "@evertoken/core"
import { FakeClock } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import {
  Clock,
  Config,
  Console,
  type Duration,
  Effect,
  Fiber,
  Layer,
  Random,
  Redacted,
  Schedule,
  TestClock
} from "effect"
import { count } from "../far-sides/FarSide.js"
import { drawn, spans, startWarm, type Trouble, warmInProcess } from "../far-sides/warm.js"
import { telling } from "./Telling.js"

const Source = Config.all({
  tokenEndpoint: Config.string("TOKEN_URL"),
  clientId: Config.string("CLIENT_ID"),
  clientSecret: Config.redacted("CLIENT_SECRET")
}).pipe(Effect.flatMap(OAuth2.clientCredentials))

export const policy = RefreshPolicy.make({
  ahead: RefreshPolicy.beforeExpiry("5 minutes"),
  retry: Schedule.spaced("5 seconds")
})

/** The GenServer. Its `get` is that of the `TokenProvider`: it fetches at the first call, and reads memory from then on. */
export const makeWarm = (policy: RefreshPolicy) => TokenProvider.make({ key: "warm", source: Source, policy })

/**
 * Reads the token again and again, and counts: how often, how often it had to wait, as the first read has to, and how often
 * the token had ended. A read waits if it is not answered from memory at once, however long a busy machine takes for that.
 */
const reader = (provider: TokenProvider["Type"], every: Duration.DurationInput, isGood: IsGood) =>
  Effect.gen(function* () {
    const seen = { reads: 0, waited: 0, ended: 0 }
    const read = Effect.gen(function* () {
      const reading = yield* Effect.fork(provider.get)
      yield* Effect.yieldNow()
      if (reading.unsafePoll() === null) seen.waited++
      const { value } = yield* Fiber.join(reading)
      const now = yield* Clock.currentTimeMillis
      seen.reads++
      if (!isGood(Redacted.value(value), now)) seen.ended++
    })
    yield* Effect.forkScoped(Effect.repeat(read, Schedule.fixed(every)))
    return seen
  })
type IsGood = (token: string, now: number) => boolean

/** Tokens of 30 minutes for a whole day; the endpoint is down from 10:24 to 10:27, and slow in the afternoon. */
export const troubles: ReadonlyArray<Trouble> = [
  { from: at(10, 24), to: at(10, 27), does: "fails" },
  { from: at(15, 0), to: at(15, 30), does: "is slow", takes: 8_000 }
]

/** A day by a clock that nobody waits for. Renewals are spread over a tenth of their wait; here, not at all. */
export const day = Effect.gen(function* () {
  const far = yield* warmInProcess(at(0, 30), troubles)
  const provider = yield* Effect.provide(makeWarm(policy), Layer.merge(far.layer, MemoryTokenStore.layer))
  const seen = yield* reader(provider, "10 minutes", far.isGood)
  yield* TestClock.adjust("1 day")
  return { log: far.log, seen }
}).pipe(Effect.scoped, Effect.withRandom(Random.fixed([1])), Effect.withClock(FakeClock.make()))

export const story = Effect.gen(function* () {
  const settings = { CLIENT_ID: "warm", CLIENT_SECRET: "warm-secret" }
  const far = yield* startWarm(6_000, [
    { from: 3_000, to: 4_600, does: "fails" },
    { from: 8_000, to: 9_500, does: "is slow", takes: 1_000 }
  ])
  const { check, end, scene } = yield* telling(far.log, { ...settings, TOKEN_URL: far.url })
  yield* scene("1  Tokens of 6 seconds, renewed 2 seconds ahead. The endpoint fails for a while, then it is slow.")
  const [ahead, retry] = [RefreshPolicy.beforeExpiry("2 seconds"), Schedule.spaced("200 millis")]
  const short = yield* Effect.gen(function* () {
    const seen = yield* reader(yield* makeWarm(RefreshPolicy.make({ ahead, retry })), "100 millis", far.isGood)
    yield* Effect.sleep("11 seconds")
    return seen
  }).pipe(Effect.scoped, Effect.provide([FetchHttpClient.layer, MemoryTokenStore.layer]))
  check("1  tokens", 3, count(far.log, "POST /", 200))
  check("   reads that waited: the first", 1, short.waited)
  check("   reads that were given an ended token", 0, short.ended)

  yield* scene("2  A day of tokens of 30 minutes.  ◆ a token   × it failed   ◇ it took 8 seconds   · a minute")
  const began = performance.now()
  const { log, seen } = yield* day
  const took = Math.round(performance.now() - began)
  yield* Effect.forEach(drawn(log), (line) => Console.log(line))
  yield* Console.log(`  A whole day, in ${took} ms.`)
  check("2  tokens in the day", 58, count(log, "POST /", 200))
  check("   renewals that began 25 minutes after the one before", 57, spans(log).filter((span) => span === 25).length)
  check("   tries that failed, 5 seconds apart", 24, count(log, "POST /", 503))
  check("   reads", 145, seen.reads)
  check("   reads that waited: the first", 1, seen.waited)
  check("   reads that were given an ended token", 0, seen.ended)
  yield* end
}).pipe(Effect.scoped)

function at(hours: number, minutes: number): number {
  return (hours * 60 + minutes) * 60_000
}
