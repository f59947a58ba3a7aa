import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, TestClock } from "effect"
import { makeSharedTable } from "./old/SharedTable.js"

// The new program beside it is in story-4.live.test.ts, on a database.
describe("what the old table, worker and consumer did", () => {
  it.effect("a worker killed while `updating` is true leaves consumers waiting for ever", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const { consume, look, row } = makeSharedTable(
        Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never),
        0
      )
      const worker = yield* Effect.fork(look)
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(worker)
      assert.isTrue(row.updating)
      const consumer = yield* Effect.fork(consume)
      yield* look // the next worker leaves it alone
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(Option.isNone(yield* Fiber.poll(consumer)))
    })
  )

  it.effect("two workers both ask for a token", () =>
    Effect.gen(function* () {
      let asked = 0
      const { look } = makeSharedTable(
        Effect.sync(() => `token-${++asked}`),
        0
      )
      yield* Effect.all([look, look], { concurrency: 2 })
      assert.strictEqual(asked, 2)
    })
  )

  it.effect("a worker killed between its two writes leaves a new token that no consumer takes", () =>
    Effect.gen(function* () {
      const { consume, look, row } = makeSharedTable(Effect.succeed("token-1"), 0)
      const worker = yield* Effect.fork(look)
      while (row.token === undefined) yield* Effect.yieldNow()
      yield* Fiber.interrupt(worker)
      assert.deepInclude(row, { token: "token-1", updating: true })
      const consumer = yield* Effect.fork(consume)
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(Option.isNone(yield* Fiber.poll(consumer)))
    })
  )

  it.effect("local time beside UTC renews an hour after the end instead of an hour before it", () =>
    Effect.gen(function* () {
      let asked = 0
      const { look } = makeSharedTable(
        Effect.sync(() => `token-${++asked}`),
        2
      )
      yield* look
      for (const [hours, tokens] of [
        [11, 1],
        [12, 1],
        [12.99, 1],
        [13, 2]
      ] as const) {
        yield* TestClock.setTime(hours * 3_600_000)
        yield* look
        assert.strictEqual(asked, tokens, `${hours} hours after the first`)
      }
    })
  )
})
