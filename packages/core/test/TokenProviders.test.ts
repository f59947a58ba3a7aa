import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  RefreshPolicy,
  SourceLimits,
  TokenEndpointError,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Chunk, Data, Effect, Exit, Fiber, Option, Redacted, type Scope, Stream, TestClock } from "effect"
import { settable } from "./support/Clock.js"

describe("TokenProviders", () => {
  holds("P10: gives each key the tokens of its own source", () =>
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: (key) => login(() => Effect.succeed(`token-of-${key}`)) })
      const keys = Array.from({ length: 200 }, (_, at) => `tenant-${at}`)
      const got = yield* Effect.forEach(keys, tokens.get, { concurrency: "unbounded" })
      got.forEach((token, at) => void assertEquals(token.value, Redacted.make(`token-of-${keys[at]}`)))
    })
  )

  holds("P1: looks a source up once and asks it once, for 1,000 callers of one key", () =>
    Effect.gen(function* () {
      let lookups = 0
      let posts = 0
      const tokens = yield* TokenProviders.make({
        source: () =>
          Effect.sleep("1 second").pipe(
            Effect.tap(() => void lookups++),
            Effect.zipRight(login(() => Effect.sync(() => `token-${++posts}`)))
          )
      })
      const first = yield* Effect.fork(tokens.get("k"))
      const callers = yield* Effect.fork(
        Effect.all(Effect.replicate(tokens.get("k"), 1_000), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(callers)
      assert.deepStrictEqual([lookups, posts], [1, 1])
    })
  )

  holds("P8: a lookup that fails is a NoSource without the failure's text, and the next call looks again", () =>
    Effect.gen(function* () {
      let lookups = 0
      const tokens = yield* TokenProviders.make({
        source: () =>
          Effect.gen(function* () {
            if (++lookups === 1) return yield* new LookupFailed({ sql: "select 'SECRET'" })
            return yield* login(() => Effect.succeed("t"))
          })
      })
      const error = yield* Effect.flip(tokens.get("k"))
      assert.strictEqual(error._tag, "NoSource")
      assert.include(error.message, "LookupFailed")
      assert.notInclude(error.message + JSON.stringify(error), "SECRET")
      assertEquals((yield* tokens.get("k")).value, Redacted.make("t"))
    })
  )

  holds("P6: a lookup that never answers or throws is a NoSource too", () =>
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({
        source: (key) => {
          if (key === "throws") throw new Error("SECRET")
          return Effect.never
        },
        policy: RefreshPolicy.make({ wait: "3 seconds" })
      })
      assert.strictEqual((yield* Effect.flip(tokens.get("throws")))._tag, "NoSource")
      const waiting = yield* Effect.fork(Effect.flip(tokens.get("hangs")))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "NoSource")
    })
  )

  holds("says what is wrong with a source that cannot be built, and with a key", () =>
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: () => TokenSource.make({}) })
      assert.include((yield* Effect.flip(tokens.get("k"))).message, "a login, a refresh, or both")
      const other = yield* TokenProviders.make({ source: () => login(() => Effect.succeed("t")) })
      assert.strictEqual((yield* Effect.flip(other.get("")))._tag, "NoSource")
    })
  )

  holds("a slow endpoint never delays another key", () =>
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({
        source: (key) => login(() => (key.startsWith("slow") ? Effect.never : Effect.succeed("t"))),
        policy: RefreshPolicy.make({ wait: "1 second" })
      })
      const slow = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 200 }, (_, at) => `slow-${at}`),
          tokens.get,
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow()
      assertEquals((yield* tokens.get("quick")).value, Redacted.make("t"))
      yield* Fiber.interrupt(slow)
    })
  )

  holds("lets go of keys that nobody used for the idle time, and of no others", () =>
    Effect.gen(function* () {
      let posts = 0
      const tokens = yield* TokenProviders.make({
        source: () => login(() => Effect.sync(() => `token-${++posts}`), "20 minutes"),
        idle: "10 minutes"
      })
      yield* Effect.forEach(["a", "b", "c"], tokens.get)
      for (let minute = 0; minute < 30; minute++) {
        yield* TestClock.adjust("1 minute")
        yield* tokens.get("a")
      }
      assert.strictEqual(yield* tokens.size, 1)
      const before = posts
      yield* TestClock.adjust("5 hours")
      assert.strictEqual(yield* tokens.size, 0)
      assert.isAtMost(posts - before, 2)
    })
  )

  holds("a provider stays good after its key was let go, and stands for the same tokens as one asked for later", () =>
    Effect.gen(function* () {
      let posts = 0
      const tokens = yield* TokenProviders.make({
        source: () => login(() => Effect.sync(() => `token-${++posts}`)),
        idle: "1 minute"
      })
      const held = yield* tokens.of("k")
      yield* held.get
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* tokens.size, 0)
      const later = yield* tokens.of("k")
      assertEquals((yield* later.get).value, (yield* held.get).value)
      yield* later.refresh
      assertEquals((yield* held.get).value, Redacted.make("token-2"))
      yield* held.reject(yield* held.get)
      assertEquals((yield* later.get).value, Redacted.make("token-3"))
      assert.strictEqual(posts, 3)
    })
  )

  holds("tells the events of all keys in one stream", () =>
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: () => login(() => Effect.succeed("t")) })
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(tokens.events, 2)))
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      yield* Effect.forEach(["a", "b"], tokens.get)
      const events = Chunk.toReadonlyArray(yield* Fiber.join(heard))
      assert.deepStrictEqual(
        events.map(({ _tag, key }) => `${_tag} ${key}`),
        ["Refreshed a", "Refreshed b"]
      )
    })
  )

  holds("a wrong option is named", () =>
    Effect.gen(function* () {
      const source = () => login(() => Effect.succeed("t"))
      const bad = yield* Effect.flip(TokenProviders.make({ source, idle: "soon" as "1 second" }))
      assert.strictEqual(bad.option, "idle")
      const limits = yield* Effect.flip(SourceLimits.make({ concurrency: 0 }))
      assert.strictEqual(limits.option, "concurrency")
    })
  )
})

describe("SourceLimits", () => {
  holds("keeps to the concurrency and the rate of an endpoint, first come, first served", () =>
    Effect.gen(function* () {
      const limits = yield* SourceLimits.make({ concurrency: 3, rate: 10, per: "10 seconds" })
      const starts: Array<number> = []
      let running = 0
      let most = 0
      const tokens = yield* TokenProviders.make({
        source: (key) =>
          TokenSource.make({
            limits,
            login: Effect.gen(function* () {
              starts.push(yield* Effect.clockWith((clock) => clock.currentTimeMillis))
              most = Math.max(most, ++running)
              yield* Effect.sleep("500 millis")
              running--
              return TokenSet.make({ accessToken: key, expiresIn: "1 day" })
            })
          }),
        policy: RefreshPolicy.make({ wait: "5 minutes" })
      })
      const keys = Array.from({ length: 30 }, (_, at) => `k${at}`)
      const got = yield* Effect.fork(Effect.forEach(keys, tokens.get, { concurrency: "unbounded" }))
      for (let second = 0; second < 35; second++) yield* TestClock.adjust("1 second")
      yield* Fiber.join(got)
      assert.strictEqual(most, 3)
      assert.strictEqual(starts.length, 30)
      for (const start of starts) {
        assert.isAtMost(starts.filter((other) => other >= start && other < start + 10_000).length, 10)
      }
    })
  )

  holds("P9: a request that waits for its turn holds no lease and is in no doubt", () =>
    Effect.gen(function* () {
      const limits = yield* SourceLimits.make({ concurrency: 1 })
      const store = yield* TokenStore
      let slows = 0
      const tokens = yield* TokenProviders.make({
        source: (key) =>
          TokenSource.make({
            limits,
            refresh: () =>
              key === "slow" && ++slows === 1
                ? Effect.never
                : Effect.succeed(TokenSet.make({ accessToken: "new", refreshToken: "r2" }))
          }),
        policy: RefreshPolicy.make({ timeout: "25 seconds" })
      })
      const old = TokenSet.make({ accessToken: "old", refreshToken: "r1", expiresIn: "1 second" })
      for (const key of ["slow", "quick"]) yield* Effect.flatMap(tokens.of(key), (provider) => provider.put(old))
      yield* TestClock.adjust("2 seconds")
      const slow = yield* Effect.fork(Effect.exit(tokens.get("slow")))
      yield* TestClock.adjust("1 second")
      const quick = yield* Effect.fork(tokens.get("quick"))
      yield* TestClock.adjust("20 seconds")
      const row = yield* store.load("quick")
      assert.isUndefined(Option.getOrThrow(row).leaseOwner)
      yield* TestClock.adjust("5 seconds")
      assertEquals((yield* Fiber.join(quick)).value, Redacted.make("new"))
      yield* Fiber.interrupt(slow)
    })
  )

  holds("what the endpoint asks one key to wait, all its keys wait, and no key of another endpoint", () =>
    Effect.gen(function* () {
      const limits = yield* SourceLimits.make({})
      let posts = 0
      const tokens = yield* TokenProviders.make({
        source: (key) =>
          key === "other"
            ? login(() => Effect.succeed("t"))
            : TokenSource.make({
                limits,
                login: Effect.suspend(() =>
                  ++posts === 1
                    ? new TokenEndpointError({ reason: "throttled", status: 429, retryAfter: 60_000 })
                    : Effect.succeed(TokenSet.make({ accessToken: key, expiresIn: "1 day" }))
                )
              }),
        policy: RefreshPolicy.make({ wait: "20 seconds" })
      })
      const first = yield* Effect.exit(tokens.get("a"))
      assert.isTrue(Exit.isFailure(first))
      const error = yield* Effect.flip(tokens.get("b"))
      assert.propertyVal(error, "reason", "throttled")
      assert.strictEqual(posts, 1)
      yield* tokens.get("other")
      yield* TestClock.adjust("67 seconds")
      yield* tokens.get("b")
      yield* tokens.get("a")
      assert.strictEqual(posts, 3)
    })
  )

  holds("P9: a clock that goes back while none is due, since all are being renewed, stops no later renewal", () =>
    settable(
      Effect.fnUntraced(function* (set) {
        let posts = 0
        let open = 0
        const logsIn = Effect.gen(function* () {
          open++
          yield* Effect.sleep("5 seconds")
          open--
          return `token-${++posts}`
        })
        const tokens = yield* TokenProviders.make({
          source: () =>
            TokenSource.make({
              login: Effect.map(logsIn, (accessToken) => TokenSet.make({ accessToken, expiresIn: "1 minute" }))
            })
        })
        yield* Effect.fork(Effect.all([tokens.get("a"), tokens.get("b")], { concurrency: 2 }))
        while (posts < 2 || open < 2) yield* TestClock.adjust("1 second")
        yield* set(-206_000)
        for (let second = 0; second < 90 || open > 0; second++) yield* TestClock.adjust("1 second")
        assert.isAtLeast(posts, 6)
      })
    )
  )

  holds("P6: closing ends the wait for a turn", () =>
    Effect.gen(function* () {
      const limits = yield* SourceLimits.make({ rate: 1, per: "1 hour" })
      const source = () => TokenSource.make({ limits, login: Effect.succeed(TokenSet.make({ accessToken: "t" })) })
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const tokens = yield* TokenProviders.make({ source })
          yield* tokens.get("a")
          const waiting = yield* Effect.forkDaemon(Effect.exit(tokens.get("b")))
          yield* TestClock.adjust("1 second")
          return waiting
        })
      )
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
    })
  )
})

class LookupFailed extends Data.TaggedError("LookupFailed")<{ readonly sql: string }> {}

const login = (token: () => Effect.Effect<string>, expiresIn: "1 hour" | "20 minutes" = "1 hour") =>
  TokenSource.make({
    login: Effect.map(Effect.suspend(token), (accessToken) => TokenSet.make({ accessToken, expiresIn }))
  })

function holds(title: string, test: () => Effect.Effect<void, unknown, TokenStore | Scope.Scope>) {
  it.scoped(title, () => Effect.provide(test(), MemoryTokenStore.layer))
}
