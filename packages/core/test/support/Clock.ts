import { Effect, TestClock } from "effect"

/** Runs `test` by a wall clock that it can set by so many milliseconds, beside a steady one that nobody sets. */
export const settable = <A, E, R>(test: (set: (by: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    let offset = 0
    const wall = () => clock.unsafeCurrentTimeMillis() + offset
    const set = (by: number) =>
      Effect.sync(() => {
        offset += by
      })
    yield* TestClock.adjust("1 day")
    yield* Effect.withClock(
      test(set),
      Object.assign(Object.create(clock), {
        unsafeCurrentTimeMillis: wall,
        currentTimeMillis: Effect.sync(wall),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
      })
    )
  })
