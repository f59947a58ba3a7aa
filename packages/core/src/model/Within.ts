import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Fails with `onTimeout` where the effect has not ended within `duration`, also where it cannot be interrupted: then it
 * goes on by itself, and what comes of it is dropped.
 */
export const within =
  <E2>(duration: Duration.DurationInput, onTimeout: () => E2) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.timeoutFail(Effect.interruptible(Effect.disconnect(effect)), { duration, onTimeout })
