import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenEndpointError, TokenProvider } from "@evertoken/core"
import { FakeTokenSource, type FakeTokenSourceOptions } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Fiber, Redacted, TestClock } from "effect"

const holds = (title: string, test: Effect.Effect<void, unknown, never>) => it.effect(title, () => test)

const policy = RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("59 minutes") })

/** Two processes on one store whose tokens last for an hour, and are renewed as early as can be. */
const two = Effect.fnUntraced(function* (options: FakeTokenSourceOptions) {
  const server = FakeTokenSource.make({ expiresIn: "1 hour", refreshTokens: "none", ...options })
  const make = TokenProvider.make({ key: "k", source: server.source, policy })
  return { server, make, a: yield* make, b: yield* make }
})

const value = (token: Effect.Effect.Success<TokenProvider["Type"]["get"]>) => Redacted.value(token.value)

describe("earliestRefresh", () => {
  for (const refreshTokens of ["none", "rotate"] as const) {
    const what = refreshTokens === "none" ? "a login" : "a refresh"

    holds(
      `${what}: a token that is refused while it is younger is not replaced, whichever process is asked`,
      Effect.gen(function* () {
        const { a, b, make, server } = yield* two({ refreshTokens, earliestRefresh: "10 minutes" })
        const first = yield* a.get
        yield* b.get
        for (const one of [a, b, yield* make]) {
          yield* one.get
          yield* one.reject(first)
          const error = yield* Effect.flip(one.get)
          assert.instanceOf(error, TokenEndpointError)
          assert.deepStrictEqual([error.reason, error.retryAfter], ["throttled", 600_000])
          assert.instanceOf(yield* Effect.flip(one.refresh), TokenEndpointError)
        }
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual(server.posts(), 1)
        const waiting = yield* Effect.fork(b.get)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(value(yield* Fiber.join(waiting)), "access-2")
        assert.strictEqual(server.posts(), 2)
      }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
    )

    holds(
      `${what}: none is renewed ahead of time before it has this age`,
      Effect.gen(function* () {
        const { a, server } = yield* two({ refreshTokens, earliestRefresh: "50 minutes" })
        yield* a.get
        yield* TestClock.adjust("49 minutes")
        assert.strictEqual(value(yield* a.get), "access-1")
        assert.strictEqual(server.posts(), 1)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(value(yield* a.get), "access-2")
      }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
    )
  }
})
