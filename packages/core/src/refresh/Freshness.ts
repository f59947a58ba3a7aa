import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { AccessToken } from "../model/AccessToken.js"
import type { TokenError } from "../model/TokenError.js"
import { within } from "../model/Within.js"

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

/**
 * How long, in milliseconds, everybody leaves the token endpoint alone after the `failures`-th failure in a row: what
 * the schedule says, and once it has ended, or where it dies, 30 seconds, a minute, and so on up to five minutes; at
 * least what the server asked for, up to a day, and never less than a tenth of a second. Where the client itself is
 * refused, at least a second, then four, up to an hour: providers lock accounts.
 */
export const backOff = (
  retry: Schedule.Schedule<unknown, TokenError>,
  failures: number,
  error: TokenError,
  now: number
): Effect.Effect<number> => {
  const asked = error._tag === "TokenEndpointError" ? (error.retryAfter ?? 0) : 0
  const sparse = error._tag === "ClientRejected" ? Math.min(SPARSE * 4 ** Math.min(failures - 1, 10), SPARSEST) : 0
  const least = Math.max(sparse, Number.isFinite(asked) ? Math.min(Math.max(asked, 0), A_DAY) : 0)
  return Effect.map(
    Effect.catchAllCause(
      Effect.suspend(() => spaced(retry, failures, error, now)).pipe(
        within("5 seconds", () => new Cause.TimeoutException())
      ),
      (cause) =>
        Effect.as(
          Effect.logError(
            'The schedule "retry" of the policy died, or did not end; 30 seconds and more are used',
            cause
          ),
          rest(failures)
        )
    ),
    (delay) => Math.ceil(Math.max(least, Number.isFinite(delay) ? delay : rest(failures), SHORTEST))
  )
}

const spaced = Effect.fnUntraced(function* (
  retry: Schedule.Schedule<unknown, TokenError>,
  failures: number,
  error: TokenError,
  now: number
) {
  let state: unknown = retry.initial
  let at = now
  let delay = 0
  for (let failure = 1; failure <= Math.min(failures, MOST_STEPS); failure++) {
    const [next, , decision] = yield* retry.step(at, error, state)
    if (ScheduleDecision.isDone(decision)) return rest(failures - failure + 1)
    const start = ScheduleIntervals.start(decision.intervals)
    delay = Math.max(0, start - at)
    at = start
    state = next
  }
  return delay
})

const rest = (failures: number): number => Math.min(REST * 2 ** Math.min(failures - 1, 10), LONGEST_REST)

const EARLIEST = 0.45
const MOST_STEPS = 1_000
const SHORTEST = Duration.toMillis("100 millis")
const REST = Duration.toMillis("30 seconds")
const LONGEST_REST = Duration.toMillis("5 minutes")
const SPARSE = Duration.toMillis("1 second")
const SPARSEST = Duration.toMillis("1 hour")
const A_DAY = Duration.toMillis("1 day")
