import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

/** The same time as `clock`; sleeping by it does not keep a Node process alive, where timers can be told so. */
export const backgroundClock = (clock: Clock.Clock): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanos: clock.currentTimeNanos,
  sleep: (duration) =>
    Effect.async<void>((resume) => {
      const millis = Duration.toMillis(duration)
      if (millis > LONGEST) return // what no timer can wait for is for ever, as with Effect's own clock
      const timer = setTimeout(() => resume(Effect.void), millis)
      const handle: unknown = timer
      if (Predicate.hasProperty(handle, "unref") && Predicate.isFunction(handle.unref)) handle.unref()
      return Effect.sync(() => clearTimeout(timer))
    })
})

const LONGEST = 2 ** 31 - 1
