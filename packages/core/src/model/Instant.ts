import * as Effect from "effect/Effect"

/** Both clocks at one instant. The wall clock can be set, the steady one may stand still while a machine sleeps. */
export interface Instant {
  readonly steady: bigint
  readonly wall: number
}

/** Now, by both clocks. Not by `Clock.currentTimeNanos`, which dies on a test clock between two milliseconds. */
export const instant: Effect.Effect<Instant> = Effect.map(Effect.clock, (clock) => ({
  steady: clock.unsafeCurrentTimeNanos(),
  wall: clock.unsafeCurrentTimeMillis()
}))

/** How far the wall clock is ahead of the steady one, in milliseconds: it changes where the wall clock is set. */
export const offsetOf = ({ steady, wall }: Instant): number => wall - Number(steady / 1_000_000n)

/** The milliseconds from one instant to a later one, by the clock that says more. */
export const elapsed = (from: Instant, to: Instant): number =>
  Math.max(Number(to.steady - from.steady) / 1_000_000, to.wall - from.wall)

/** When `began` was, by the wall clock as it is `now`: that much earlier, where it was set back since. Epoch milliseconds. */
export const wallOf = (began: Instant, now: Instant): number =>
  Math.min(began.wall, Math.floor(now.wall - Number(now.steady - began.steady) / 1_000_000))
