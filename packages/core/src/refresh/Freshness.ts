import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { AccessToken } from "../model/AccessToken.js"

/** What to do for somebody who asks for a token: hand it out, hand it out and renew it behind, or wait for a newer one. */
export type Freshness = "fresh" | "stale" | "expired"

/** A kept token with the two instants that rule it, in epoch milliseconds. */
export interface TokenTimes {
  /** From then on it is renewed; `Infinity` where that waits for a 401. */
  readonly renewAt: number
  /** From then on it is not handed out; `Infinity` where nobody said. */
  readonly expiresAt: number
  /** Whether the resource server refused it. */
  readonly rejected: boolean
}

/** The one rule that demand, background and worker share. */
export const freshness = (token: TokenTimes | undefined, now: number): Freshness =>
  token === undefined || token.rejected || now >= token.expiresAt ? "expired" : now >= token.renewAt ? "stale" : "fresh"

/**
 * Whether `token` ends sooner than in `wanted` milliseconds although a newer one would last longer: not so before half
 * of its life, so that nobody makes each call a refresh by asking for more than a token lives.
 */
export const isShort = (
  { expiresAt, obtainedAt }: Pick<AccessToken, "expiresAt" | "obtainedAt">,
  wanted: number,
  now: number
): boolean => expiresAt !== undefined && expiresAt - now < Math.min(wanted, (expiresAt - obtainedAt) / 2)

/**
 * When to renew `token`, from the schedule fed with it: never before nine twentieths of its life nor before
 * `earliest` (milliseconds of age), never after its end. Gives the schedule's next state along.
 */
export const renewal = (
  ahead: Schedule.Schedule<unknown, AccessToken>,
  state: unknown,
  token: AccessToken,
  now: number,
  earliest: number
): Effect.Effect<readonly [at: number, state: unknown]> => {
  const { expiresAt, obtainedAt } = token
  if (expiresAt === undefined) return Effect.succeed([Number.POSITIVE_INFINITY, state])
  return Effect.map(ahead.step(now, token, state), ([next, , decision]) => {
    if (ScheduleDecision.isDone(decision)) return [Number.POSITIVE_INFINITY, next]
    const floor = obtainedAt + Math.max((expiresAt - obtainedAt) * EARLIEST, earliest)
    const start = ScheduleIntervals.start(decision.intervals)
    return [Math.ceil(Number.isNaN(start) ? expiresAt : Math.min(Math.max(start, floor), expiresAt)), next]
  })
}

const EARLIEST = 0.45
