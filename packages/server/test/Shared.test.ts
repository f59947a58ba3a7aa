import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { makeShared } from "../src/observability/Shared.js"

describe("a look that is shared", () => {
  it.effect("is had once by 100 who ask at the same time or within a second, and anew after that", () =>
    Effect.gen(function* () {
      const { ask, looks } = make(Effect.sleep("3 seconds"))
      const many = yield* Effect.fork(Effect.all(Effect.replicate(ask, 100), { concurrency: "unbounded" }))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(new Set(yield* Fiber.join(many)), new Set([1]))
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* ask, 1)
      yield* TestClock.adjust("1 millis")
      const later = yield* Effect.fork(ask)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(later), 2)
      assert.strictEqual(looks(), 2)
    })
  )

  it.effect("goes on for all others where whoever asked first hangs up", () =>
    Effect.gen(function* () {
      const { ask, looks } = make(Effect.sleep("3 seconds"))
      const first = yield* Effect.fork(ask)
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.fork(ask)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(second), 1)
      assert.strictEqual(looks(), 1)
    })
  )

  it.effect("says for a second that it failed, and no longer", () =>
    Effect.gen(function* () {
      let broken = true
      const { ask, looks } = make(Effect.suspend(() => (broken ? Effect.fail("no") : Effect.void)))
      for (let times = 0; times < 3; times++) assert.deepStrictEqual(yield* Effect.exit(ask), Exit.fail("no"))
      broken = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ask, 2)
      assert.strictEqual(looks(), 2)
    })
  )
})

/** A look that takes as long as `work`, and counts. */
const make = <E>(work: Effect.Effect<void, E>) => {
  let count = 0
  const ask = makeShared(Effect.suspend(() => Effect.as(work, ++count)))
  return { ask, looks: () => count }
}
