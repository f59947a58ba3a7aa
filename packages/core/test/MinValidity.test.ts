import { assert, describe, it } from "@effect/vitest"
import {
  InvalidOption,
  RefreshPolicy,
  TokenEndpointError,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Duration, Effect, Fiber, Schedule, TestClock } from "effect"

/** A provider of tokens that live ten minutes and are refreshed a second before their end, and how many were asked for. */
const make = Effect.gen(function* () {
  const server = { posts: 0, leases: 0, fails: false }
  const store = yield* TokenStore
  const counted: TokenStore["Type"] = {
    ...store,
    lease: (key, request) =>
      Effect.zipRight(
        Effect.sync(() => server.leases++),
        store.lease(key, request)
      )
  }
  const login = Effect.suspend(() => {
    server.posts++
    return server.fails
      ? Effect.fail(new TokenEndpointError({ reason: "unavailable" }))
      : Effect.succeed(TokenSet.make({ accessToken: `access-${server.posts}`, expiresIn: "10 minutes" }))
  }).pipe(Effect.delay("1 second"))
  const provider = yield* TokenProvider.make({
    key: "k",
    source: TokenSource.make({ login }),
    policy: RefreshPolicy.make({
      ahead: RefreshPolicy.beforeExpiry("1 second"),
      retry: Schedule.spaced("20 seconds")
    })
  }).pipe(Effect.provideService(TokenStore, counted))
  const first = yield* Effect.fork(provider.get)
  yield* TestClock.adjust("1 second")
  yield* Fiber.join(first)
  return { provider, server }
}).pipe(Effect.provide(MemoryTokenStore.layer))

describe("getFor", () => {
  it.scoped("gives the token at hand while it holds for long enough", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* make
      yield* TestClock.adjust("5 minutes")
      const token = yield* provider.getFor("4 minutes")
      assert.deepStrictEqual([token.generation, server.posts], [(yield* provider.get).generation, 1])
    })
  )

  it.scoped("P1: refreshes one that ends sooner, once for all who ask", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* make
      yield* TestClock.adjust("8 minutes")
      const old = yield* provider.get
      const callers = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 100 }, () => provider.getFor("5 minutes")),
          { concurrency: "unbounded" }
        )
      )
      assert.strictEqual((yield* provider.get).generation, old.generation, "others are not made to wait")
      yield* TestClock.adjust("1 second")
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      for (const token of yield* Fiber.join(callers)) {
        assert.isAbove(token.generation, old.generation)
        assert.isAtLeast(token.expiresAt ?? 0, now + Duration.toMillis("5 minutes"))
      }
      assert.strictEqual(server.posts, 2)
    })
  )

  it.scoped("makes no refresh of each call where more is asked for than a token lives", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* make
      const early = yield* Effect.fork(Effect.all(Array.from({ length: 20 }, () => provider.getFor("1 day"))))
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(early)
      assert.strictEqual(server.posts, 1)
      yield* TestClock.adjust("4 minutes")
      const caller = yield* Effect.fork(provider.getFor("1 day"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(caller)
      yield* provider.getFor("1 day")
      assert.strictEqual(server.posts, 2)
    })
  )

  it.scoped(
    "P8: gives the token at hand where no newer one can be had, and asks no oftener than the back-off lets it",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* make
        yield* TestClock.adjust("8 minutes")
        const old = yield* provider.get
        server.fails = true
        const caller = yield* Effect.fork(provider.getFor("5 minutes"))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(caller)).generation, old.generation)
        const { leases } = server
        for (let call = 0; call < 20; call++) {
          assert.strictEqual((yield* provider.getFor("5 minutes")).generation, old.generation)
        }
        assert.deepStrictEqual([server.posts, server.leases - leases], [2, 0])
      })
  )

  it.scoped("P13: takes no bare number", () =>
    Effect.gen(function* () {
      const { provider } = yield* make
      // @ts-expect-error a number says no unit
      const error = yield* Effect.flip(provider.getFor(300))
      assert.instanceOf(error, InvalidOption)
      assert.include(error.message, "minValidity")
      assert.include(error.message, "Duration.seconds")
    })
  )
})
