import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenEndpointError, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Fiber, Redacted, Schedule, TestClock } from "effect"

describe("P8: a schedule of retries that has ended", () => {
  /** A caller that comes after the endpoint has failed once and `policy.retry` has no attempt left. */
  const asked = (wait: "1 minute" | "20 seconds") =>
    Effect.gen(function* () {
      let posts = 0
      const login = Effect.suspend(() =>
        ++posts === 1
          ? new TokenEndpointError({ reason: "unavailable" })
          : Effect.succeed(TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }))
      )
      const policy = RefreshPolicy.make({ retry: Schedule.stop, wait })
      const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }), policy })
      const caller = yield* Effect.fork(provider.get)
      yield* TestClock.adjust(0)
      return { caller, posts: () => posts }
    })

  it.scoped("a caller waits for the next attempt that comes within its bound", () =>
    Effect.gen(function* () {
      const { caller } = yield* asked("1 minute")
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(Redacted.value((yield* Fiber.join(caller)).value), "a")
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )

  it.scoped("a caller fails at once where the next attempt comes later than that", () =>
    Effect.gen(function* () {
      const { caller, posts } = yield* asked("20 seconds")
      assert.isNotNull(caller.unsafePoll())
      assert.instanceOf(yield* Effect.flip(Fiber.join(caller)), TokenEndpointError)
      assert.strictEqual(posts(), 1)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})
