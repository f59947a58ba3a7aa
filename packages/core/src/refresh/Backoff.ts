import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import type { TokenError } from "../model/TokenError.js"
import { within } from "../model/Within.js"

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

const MOST_STEPS = 1_000
const SHORTEST = Duration.toMillis("100 millis")
const REST = Duration.toMillis("30 seconds")
const LONGEST_REST = Duration.toMillis("5 minutes")
const SPARSE = Duration.toMillis("1 second")
const SPARSEST = Duration.toMillis("1 hour")
const A_DAY = Duration.toMillis("1 day")
