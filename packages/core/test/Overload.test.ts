import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenProviders, TokenSet, TokenStore } from "@evertoken/core"
import { FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Exit, Fiber, Random, Scope, TestClock } from "effect"
import { harmed } from "./support/Store.js"

const KEYS = Array.from({ length: 24 }, (_, index) => `k${index}`)
/** How long the database takes for a statement, one after the other. */
const STATEMENT = "220 millis"
/** How long a process waits for a connection to it. */
const PATIENCE = "5 seconds"

describe("P6: a database that can do far less than is asked of it", () => {
  it.scoped("has refreshed all that had ended, at its own pace, whatever the lease", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const backend = yield* MemoryTokenStore.backend()
      const database = yield* Effect.makeSemaphore(1)
      const store = harmed(backend, (_, __, does) =>
        Effect.zipRight(Effect.sleep(STATEMENT), does).pipe(database.withPermits(1), Effect.timeout(PATIENCE))
      )
      const now = yield* Clock.currentTimeMillis
      const whole = TokenStore.make(backend)
      for (const key of KEYS)
        yield* whole.put(
          key,
          new TokenSet({ ...server.login(), expiresIn: undefined, expiresAt: now + 1_000 }).obtained(now),
          undefined
        )
      yield* TestClock.adjust("2 seconds")

      const policy = RefreshPolicy.make({ lease: "3 seconds", timeout: "5 seconds", wait: "10 seconds" })
      // Some providers, which know nothing of each other, on one store.
      for (let from = 0; from < KEYS.length; from += 8) {
        const pool = yield* TokenProviders.make({ source: () => server.source, policy }).pipe(
          Effect.provideService(TokenStore, store)
        )
        for (const key of KEYS.slice(from, from + 8)) {
          const calls = Effect.zipRight(
            Effect.ignore(pool.get(key)),
            Effect.flatMap(Random.nextIntBetween(1, 4), (seconds) => Effect.sleep(seconds * 1_000))
          )
          yield* Effect.forkScoped(Effect.forever(calls))
        }
      }
      for (let second = 0; second < 40; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(server.reuses(), 0)
      const end = yield* Clock.currentTimeMillis
      let live = 0
      for (const key of KEYS) {
        const record = yield* whole.load(key)
        if (record._tag === "Some" && (record.value.tokens?.holdsUntil ?? 0) > end) live++
      }
      assert.strictEqual(live, KEYS.length)
    })
  )

  it.effect("begins nothing for those that still waited when the provider closed, and answers them", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make()
      const backend = yield* MemoryTokenStore.backend()
      let statements = 0
      const store = harmed(backend, (_, __, does) => {
        statements++
        return Effect.delay(does, "9 seconds")
      })
      const scope = yield* Scope.make()
      const pool = yield* TokenProviders.make({ source: () => server.source }).pipe(
        Effect.provideService(TokenStore, store),
        Scope.extend(scope)
      )
      const calls = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, at) => `k${at}`),
        (key) => Effect.fork(Effect.exit(pool.get(key)))
      )
      yield* TestClock.adjust("1 second")
      const begun = statements
      assert.isBelow(begun, 100)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      const answered = calls.filter((call) => call.unsafePoll() !== null)
      assert.lengthOf(answered, 100 - begun)
      for (const call of answered) assert.include(String(yield* Fiber.join(call)), "ProviderClosed")
      assert.strictEqual(statements, begun)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(closing)
    })
  )
})
