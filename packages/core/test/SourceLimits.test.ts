import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  OAuth2,
  RefreshPolicy,
  SourceLimits,
  type SourceLimitsOptions,
  TokenEndpointError,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  type TokenStore
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Duration, Effect, Fiber, Option, Redacted, type Scope, TestClock } from "effect"
import { settable } from "./support/Clock.js"

const HOURS = 7_200_000

describe("the clock is set", () => {
  for (const [which, by] of [
    ["back", -HOURS],
    ["forth", HOURS]
  ] as const) {
    holds(`P9: ${which} by two hours: a pause of two seconds is over after two seconds, and not before`, () =>
      settable(
        Effect.fnUntraced(function* (set) {
          const { keys, posts } = yield* endpoint({}, (count) =>
            count === 1 ? new TokenEndpointError({ reason: "throttled", retryAfter: 2_000 }) : undefined
          )
          assert.propertyVal(yield* Effect.flip(keys.get("a")), "reason", "throttled")
          yield* set(by)
          assert.propertyVal(yield* Effect.flip(keys.get("b")), "reason", "throttled")
          assert.strictEqual(posts(), 1)
          yield* TestClock.adjust("2500 millis")
          yield* keys.get("b")
          assert.strictEqual(posts(), 2)
        })
      )
    )

    holds(`P9: ${which} by two hours: the rate stays what it is`, () =>
      settable(
        Effect.fnUntraced(function* (set) {
          const { keys, posts } = yield* endpoint({ rate: 10, per: "10 seconds" })
          yield* Effect.forEach(names(10), keys.get)
          yield* set(by)
          const more = yield* Effect.fork(Effect.forEach(names(30), keys.get, { concurrency: "unbounded" }))
          for (let second = 0; second < 9; second++) yield* TestClock.adjust("1 second")
          assert.strictEqual(posts(), 10)
          for (let second = 0; second < 12; second++) yield* TestClock.adjust("1 second")
          assert.strictEqual(posts(), 30)
          yield* Fiber.join(more)
        })
      )
    )
  }
})

holds("P6: a long span is waited for with a look each minute, so that none is longer than a timer can hold", () =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    let longest = 0
    const noting: typeof clock = Object.assign(Object.create(clock), {
      sleep: (duration: Duration.Duration) => {
        longest = Math.max(longest, Duration.toMillis(duration))
        return clock.sleep(duration)
      }
    })
    const limits = yield* SourceLimits.make({ rate: 1, per: "1 hour" })
    const turn = limits.inTurn(Effect.void, Effect.never)
    yield* turn
    const second = yield* Effect.fork(Effect.withClock(turn, noting))
    yield* TestClock.adjust("59 minutes")
    assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(second)
    assert.strictEqual(longest, 60_000)
  })
)

describe("a login that needs another token", () => {
  const chained = Effect.fnUntraced(function* (options: SourceLimitsOptions, ways: number) {
    const limits = yield* SourceLimits.make(options)
    let running = 0
    let most = 0
    const network = HttpClient.make((request) =>
      Effect.gen(function* () {
        most = Math.max(most, ++running)
        yield* Effect.sleep("1 second")
        running--
        return HttpClientResponse.fromWeb(request, Response.json({ access_token: "at", expires_in: 3600 }))
      })
    )
    const common = { tokenEndpoint: "https://auth.example.com/token", clientId: "c", limits }
    const own = yield* TokenProvider.make({
      key: "own",
      source: OAuth2.clientCredentials({ ...common, clientSecret: Redacted.make("s") })
    }).pipe(Effect.provideService(HttpClient.HttpClient, network))
    const subjectToken = Effect.mapBoth(own.get, {
      onSuccess: (token) => token.value,
      onFailure: () => new TokenEndpointError({ reason: "unavailable" })
    })
    const exchanged = yield* TokenProviders.make({
      source: () => OAuth2.tokenExchange({ ...common, subjectToken })
    }).pipe(Effect.provideService(HttpClient.HttpClient, network))
    const custom = yield* TokenProviders.make({
      source: () =>
        TokenSource.make({
          limits,
          login: Effect.map(subjectToken, (value) => TokenSet.make({ accessToken: value, expiresIn: "1 hour" }))
        })
    })
    const got = yield* Effect.fork(
      Effect.all(
        names(ways).flatMap((name) => [exchanged.get(`exchanged/${name}`), custom.get(`custom/${name}`)]),
        { concurrency: "unbounded" }
      )
    )
    for (let second = 0; second < 2 * ways + 5; second++) yield* TestClock.adjust("1 second")
    const exit = yield* Option.match(yield* Fiber.poll(got), {
      onNone: () => Effect.fail("they wait"),
      onSome: (exit) => exit
    })
    for (const token of exit) assertEquals(token.value, Redacted.make("at"))
    return most
  })

  holds("P6: does not wait for itself where only one request may run at a time", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* chained({ concurrency: 1 }, 1), 1)
    })
  )

  holds("P6: nor do as many of them as there are places, and no more than that run at a time", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* chained({ concurrency: 3 }, 6), 3)
    })
  )
})

const names = (count: number) => Array.from({ length: count }, (_, at) => `k${at}`)

/** Keys whose tokens come from one endpoint; it fails as `answer` says, by the number of the request. */
const endpoint = Effect.fnUntraced(function* (
  options: SourceLimitsOptions,
  answer: (count: number) => TokenEndpointError | undefined = () => undefined
) {
  const limits = yield* SourceLimits.make(options)
  let posts = 0
  const login = Effect.suspend(() => answer(++posts) ?? Effect.succeed(TokenSet.make({ accessToken: "t" })))
  const keys = yield* TokenProviders.make({
    source: () => TokenSource.make({ limits, login }),
    policy: RefreshPolicy.make({ wait: options.rate === undefined ? "1 second" : "1 hour" })
  })
  return { keys, posts: () => posts }
})

function holds(title: string, test: () => Effect.Effect<void, unknown, TokenStore | Scope.Scope>) {
  it.scoped(title, () => Effect.provide(test(), MemoryTokenStore.layer))
}
