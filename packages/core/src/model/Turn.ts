import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as GlobalValue from "effect/GlobalValue"

/** The place that a request holds among those that its token endpoint takes at a time. */
export interface Turn {
  /** Gives the place back, for good. */
  readonly end: Effect.Effect<void>
  /** Runs `wait` without the place, and goes on once there is one again. */
  readonly without: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The turn in which this fiber runs, if `SourceLimits` gave it one. */
export const currentTurn: FiberRef.FiberRef<Turn | undefined> = GlobalValue.globalValue(
  Symbol.for("@evertoken/core/currentTurn"),
  () => FiberRef.unsafeMake<Turn | undefined>(undefined)
)

/** Runs `wait` without holding a place meanwhile: who waits for another token must not keep that one from being asked for. */
export const outOfTurn = <A, E, R>(wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) => fiber.getFiberRef(currentTurn)?.without(wait) ?? wait)

/** Gives back the place that this fiber holds, if any. */
export const endTurn: Effect.Effect<void> = Effect.withFiberRuntime(
  (fiber) => fiber.getFiberRef(currentTurn)?.end ?? Effect.void
)
