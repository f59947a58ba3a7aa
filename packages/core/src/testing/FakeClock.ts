import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { TestClock } from "effect/TestClock"
import type { DurationOption } from "../model/Options.js"

/**
 * A `TestClock` whose wall clock can be set, as a person or a time server sets a machine's, while its steady clock goes on:
 * sleeps take as long as they do. `TestClock.adjust` and its like move it. It waits for fibers by turns of the event loop,
 * not by timers, so that a day in which something looks at the clock each minute takes about a second.
 *
 * @example
 * ```ts
 * const clock = FakeClock.make()
 * yield* Effect.gen(function* () {
 *   yield* TestClock.adjust("9 minutes")
 *   clock.setBack("1 hour")
 * }).pipe(Effect.withClock(clock))
 * ```
 */
export interface FakeClock extends TestClock {
  /** Sets the wall clock back. */
  readonly setBack: (by: DurationOption) => void
  /** Sets the wall clock ahead. */
  readonly setAhead: (by: DurationOption) => void
}

/** Constructors of `FakeClock`. */
export const FakeClock = {
  /** A clock that stands at zero. */
  make: (): FakeClock => {
    let [steady, offset] = [0, 0]
    let sleepers: ReadonlyArray<Sleeper> = []
    const wall = () => steady + offset
    const nanos = () => BigInt(Math.floor(steady * 1_000_000))

    const sleep = (length: Duration.DurationInput) =>
      Effect.async<void>((resume) => {
        const at = steady + Duration.toMillis(length)
        if (at <= steady) return resume(Effect.void)
        const sleeper = { at, wake: () => resume(Effect.void) }
        sleepers = [...sleepers, sleeper]
        return Effect.sync(() => {
          sleepers = sleepers.filter((other) => other !== sleeper)
        })
      })
    const wakeNext = (end: number) => {
      const next = sleepers.reduce<Sleeper | undefined>((a, b) => (a === undefined || b.at < a.at ? b : a), undefined)
      const isDue = next !== undefined && next.at <= end
      steady = Math.max(steady, isDue ? next.at : end)
      if (!isDue) return false
      sleepers = sleepers.filter((sleeper) => sleeper !== next)
      next.wake()
      return true
    }
    const moveTo = (to: () => number) =>
      Effect.gen(function* () {
        const end = to()
        const turns = yield* eventLoop
        do yield* turns
        while (wakeNext(end))
      }).pipe(Effect.scoped)
    const adjust = (length: Duration.DurationInput) => moveTo(() => steady + Duration.toMillis(length))

    return {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: wall,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanos: Effect.sync(nanos),
      sleep,
      adjust,
      adjustWith: (length) => (effect) =>
        Effect.flatMap(Effect.fork(effect), (fiber) => Effect.zipRight(adjust(length), Fiber.join(fiber))),
      setTime: (instant) => moveTo(() => instant - offset),
      sleeps: Effect.sync(() => Chunk.fromIterable(sleepers.map(({ at }) => at + offset))),
      save: Effect.sync(() => {
        const saved = { steady, offset, sleepers }
        return Effect.sync(() => {
          ;({ offset, sleepers, steady } = saved)
        })
      }),
      setBack: (by) => {
        offset -= Duration.toMillis(by)
      },
      setAhead: (by) => {
        offset += Duration.toMillis(by)
      }
    }
  }
}

/** Who sleeps until when, by the steady clock. */
interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/** Waits for some turns of the event loop, without a timer; as long as it is open. */
const eventLoop = Effect.acquireRelease(
  Effect.sync(() => new MessageChannel()),
  ({ port1 }) => Effect.sync(() => port1.close())
).pipe(
  Effect.map(({ port1, port2 }) => {
    const turn = Effect.async<void>((resume) => {
      port1.onmessage = () => resume(Effect.void)
      port2.postMessage(undefined)
    })
    // What became ready runs, with the promises of a response that is read from memory.
    return Effect.repeatN(turn, 3)
  })
)
