import { Duration, Effect, type Schedule, ScheduleDecision, ScheduleIntervals } from "effect"
import type { AccessToken } from "./AccessToken.js"
import type { TokenError } from "./TokenError.js"

/** What to do for somebody who asks for a token: hand it out, hand it out and renew it behind, or wait for a newer one. */
export type Decision = "serve" | "renew" | "wait"

/** A kept token with the two instants that rule it, in epoch milliseconds. */
export interface Timed {
  /** From then on it is renewed; `Infinity` where that waits for a 401. */
  readonly renewAt: number
  /** From then on it is not handed out; `Infinity` where nobody said. */
  readonly expiresAt: number
  /** Whether the resource server refused it. */
  readonly rejected: boolean
}

/** The one decision that demand, background and worker share. */
export const decide = (token: Timed | undefined, now: number): Decision =>
  token === undefined || token.rejected || now >= token.expiresAt ? "wait" : now >= token.renewAt ? "renew" : "serve"

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
    return [Math.ceil(Math.min(Math.max(ScheduleIntervals.start(decision.intervals), floor), expiresAt)), next]
  })
}

/**
 * How long, in milliseconds, everybody leaves the token endpoint alone after the `failures`-th failure in a row: what
 * the schedule says, and once it has ended 30 seconds, a minute, and so on up to five minutes; at least what the
 * server asked for, and never less than a tenth of a second.
 */
export const backOff = (
  retry: Schedule.Schedule<unknown, TokenError>,
  failures: number,
  error: TokenError,
  now: number
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const asked = error._tag === "TokenEndpointError" ? (error.retryAfter ?? 0) : 0
    let state: unknown = retry.initial
    let at = now
    let delay = 0
    for (let failure = 1; failure <= Math.min(failures, MOST_STEPS); failure++) {
      const [next, , decision] = yield* retry.step(at, error, state)
      if (ScheduleDecision.isDone(decision)) {
        return Math.max(asked, Math.min(REST * 2 ** Math.min(failures - failure, 10), LONGEST_REST))
      }
      const start = ScheduleIntervals.start(decision.intervals)
      delay = Math.max(0, start - at)
      at = start
      state = next
    }
    return Math.ceil(Math.max(asked, delay, SHORTEST))
  })

const EARLIEST = 0.45
const MOST_STEPS = 1_000
const SHORTEST = Duration.toMillis("100 millis")
const REST = Duration.toMillis("30 seconds")
const LONGEST_REST = Duration.toMillis("5 minutes")
