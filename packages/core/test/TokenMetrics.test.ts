import { assert, describe, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Exit, Fiber, Metric, MetricState, TestClock } from "effect"

describe("the metrics", () => {
  it.scoped("are known from the start, and tell the time of an attempt in seconds", () =>
    Effect.gen(function* () {
      const login = Effect.as(Effect.sleep("2 seconds"), TokenSet.make({ accessToken: "a" }))
      const provider = yield* TokenProvider.make({ key: "key", source: TokenSource.make({ login }) })
      for (const name of ["refreshes", "waits", "rejections", "worker_claims", "worker_outcomes"]) yield* state(name)
      const sum = Effect.map(state("refresh_duration_seconds"), (state) =>
        MetricState.isHistogramState(state) ? state.sum : Number.NaN
      )
      const before = yield* sum
      const asking = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(asking)
      assert.strictEqual((yield* sum) - before, 2)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )

  it.effect("count each statement that the store failed, and no key that none can keep", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      let down = true
      const store = TokenStore.make({
        ...backend,
        load: (key) => (down ? Effect.fail(new Error("down")) : backend.load(key))
      })
      const count = Effect.map(
        Effect.orElseSucceed(state("store_errors"), () => undefined),
        (state) => (state !== undefined && MetricState.isCounterState(state) ? Number(state.count) : 0)
      )
      const before = yield* count
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.load("key"))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.load(""))))
      down = false
      yield* store.load("key")
      assert.strictEqual((yield* count) - before, 1)
    })
  )
})

/** The state of our metric of that name; fails where it is not known. */
const state = (name: string) =>
  Effect.flatMap(Metric.snapshot, (pairs) => {
    const found = pairs.find(({ metricKey }) => metricKey.name === `evertoken_${name}`)
    return found === undefined ? Effect.fail(`there is no evertoken_${name}`) : Effect.succeed(found.metricState)
  })
