import * as Effect from "effect/Effect"

/** A wait that can be cut short; a ring while nobody waits is not lost. */
export const makeAlarm = () => {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring: () => {
      rung = true
      wake?.()
    },
    /** Waits for a ring, at most for `millis`; with `Infinity` no timer keeps the process alive. */
    wait: (millis: () => number) =>
      Effect.suspend(() => {
        const most = millis()
        const woken = Effect.async<void>((resume) => {
          wake = () => resume(Effect.void)
          if (rung) wake()
        })
        return most === Number.POSITIVE_INFINITY ? woken : Effect.raceFirst(woken, Effect.sleep(Math.max(0, most)))
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            rung = false
            wake = undefined
          })
        )
      )
  }
}
