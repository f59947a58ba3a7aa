import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

/** `look` once for all who ask until so long after its end, also where whoever asked first has hung up. */
export const makeShared = <A, E>(
  look: Effect.Effect<A, E>,
  good: Duration.DurationInput = "1 second"
): Effect.Effect<A, E> => {
  let last: Deferred.Deferred<A, E> | undefined
  const start = Effect.suspend(() => {
    if (last !== undefined) return Effect.succeed(last)
    const answer = Deferred.unsafeMake<A, E>(FiberId.none)
    last = answer
    return look.pipe(
      Effect.interruptible,
      Effect.intoDeferred(answer),
      Effect.zipRight(Effect.sleep(good)),
      Effect.zipRight(Effect.sync(() => (last = undefined))),
      Effect.forkDaemon,
      Effect.as(answer)
    )
  })
  return Effect.flatMap(Effect.uninterruptible(start), Deferred.await)
}
