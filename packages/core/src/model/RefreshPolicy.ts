import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import type { AccessToken } from "./AccessToken.js"
import {
  type Check,
  type Checks,
  type DurationOption,
  duration,
  every,
  lasting,
  listing,
  problemOf,
  required,
  schedule
} from "./Options.js"
import { InvalidOption, type TokenError, type TokenRejected } from "./TokenError.js"

/** When to renew, how to retry, when to give up. */
export interface RefreshPolicy {
  readonly ahead: Schedule.Schedule<unknown, AccessToken>
  readonly retry: Schedule.Schedule<unknown, TokenError>
  readonly unauthorized: Schedule.Schedule<unknown, TokenRejected>
  readonly timeout: DurationOption
  readonly wait: DurationOption
  readonly lease: DurationOption
  readonly warnings: ReadonlyArray<DurationOption>
}

/** What `RefreshPolicy.make` takes. */
export interface RefreshPolicyOptions {
  /**
   * Fed with each token; its delay says how long to wait before renewing it. Never earlier than about half of the
   * token's life, never later than its end.
   * @default RefreshPolicy.beforeExpiry("5 minutes")
   */
  readonly ahead?: Schedule.Schedule<unknown, AccessToken> | undefined
  /**
   * Spaces the attempts after a passing failure, for all processes together. Once it ends, an attempt is made after 30
   * seconds, then a minute, and so on up to every five minutes. A caller waits for the next attempt where that comes
   * within its `wait`, and fails at once where it does not.
   * @default exponential from 1 second to 5 minutes, jittered
   */
  readonly retry?: Schedule.Schedule<unknown, TokenError> | undefined
  /**
   * Spaces the repeated calls after the resource server refused a token.
   * @default Schedule.recurs(1)
   */
  readonly unauthorized?: Schedule.Schedule<unknown, TokenRejected> | undefined
  /**
   * Bounds one request to the token endpoint, to the last byte of the answer.
   * @default "10 seconds"
   */
  readonly timeout?: DurationOption | undefined
  /**
   * Bounds how long a caller waits for a token.
   * @default "30 seconds"
   */
  readonly wait?: DurationOption | undefined
  /**
   * How long the right to refresh lasts unless renewed: what a killed process can delay others by.
   * @default "10 seconds"
   */
  readonly lease?: DurationOption | undefined
  /**
   * Lead times at which `ReauthorizationSoon` is emitted before the end of a refresh token that refreshing does not extend.
   * @default ["7 days", "1 day"]
   */
  readonly warnings?: ReadonlyArray<DurationOption> | undefined
}

/** A policy whose durations are known to be good. */
export interface ResolvedPolicy extends Pick<RefreshPolicy, "ahead" | "retry" | "unauthorized"> {
  readonly timeout: Duration.Duration
  readonly wait: Duration.Duration
  readonly lease: Duration.Duration
  readonly warnings: ReadonlyArray<Duration.Duration>
}

const lead: Check = (value, option) =>
  Schedule.isSchedule(value) && value.initial instanceof InvalidOption
    ? new InvalidOption({ option, expected: value.initial.expected })
    : undefined

/** What each part of a policy has to be. */
export const policyChecks = {
  ahead: every(required(schedule('RefreshPolicy.beforeExpiry("5 minutes")')), lead),
  retry: required(schedule("Schedule.recurs(4)")),
  unauthorized: required(schedule("Schedule.recurs(1)")),
  timeout: required(lasting),
  wait: required(lasting),
  lease: required(lasting),
  warnings: required(listing('a list of durations, such as ["7 days", "1 day"]', duration))
} satisfies Checks<RefreshPolicy>

/** A policy that `RefreshPolicy.make` gave, each part of it fit for use. */
export const madePolicy: Check = (policy, option) =>
  Predicate.isRecord(policy) && Object.keys(policyChecks).every((name) => Object.hasOwn(policy, name))
    ? problemOf(policy, policyChecks, option)
    : new InvalidOption({ option, expected: "RefreshPolicy.make({ … })" })

/** Constructors of `RefreshPolicy`. */
export const RefreshPolicy = {
  /**
   * A policy out of Schedules and Durations; what is left out has a default that suits most APIs. What will not do is
   * an `InvalidOption` of the provider that is made with it.
   *
   * @example
   * ```ts
   * const policy = RefreshPolicy.make({
   *   ahead: RefreshPolicy.beforeExpiry("10 minutes"),
   *   retry: Schedule.spaced("5 seconds"),
   *   unauthorized: Schedule.recurs(2),
   *   wait: "10 seconds"
   * })
   * ```
   */
  make: (options: RefreshPolicyOptions = {}): RefreshPolicy => ({
    ...options,
    ahead: options.ahead ?? RefreshPolicy.beforeExpiry("5 minutes"),
    retry: options.retry ?? defaultRetry,
    unauthorized: options.unauthorized ?? Schedule.recurs(1),
    timeout: options.timeout ?? "10 seconds",
    wait: options.wait ?? "30 seconds",
    lease: options.lease ?? "10 seconds",
    warnings: options.warnings ?? ["7 days", "1 day"]
  }),

  /**
   * Renews each token `margin` before it ends, or at half of its life where that is later. Spreads renewals by up to
   * a tenth of the wait, only ever earlier.
   */
  beforeExpiry: (margin: DurationOption): Schedule.Schedule<Duration.Duration, AccessToken> => {
    const problem = required(duration)(margin, "ahead")
    return problem === undefined
      ? renewing(Duration.toMillis(margin))
      : Schedule.makeWithState<InvalidOption, AccessToken, Duration.Duration>(problem, (_, __, problem) =>
          Effect.succeed([problem, Duration.zero, ScheduleDecision.done])
        )
  }
}

/** The same policy with its durations resolved, or the error that names what is wrong. */
export const resolved = (policy: RefreshPolicy): Effect.Effect<ResolvedPolicy, InvalidOption> =>
  Effect.gen(function* () {
    const problem = madePolicy(policy, "policy")
    if (problem !== undefined) return yield* problem
    return {
      ahead: policy.ahead,
      retry: policy.retry,
      unauthorized: policy.unauthorized,
      timeout: Duration.decode(policy.timeout),
      wait: Duration.decode(policy.wait),
      lease: Duration.decode(policy.lease),
      warnings: policy.warnings.map((warning) => Duration.decode(warning))
    }
  })

const defaultRetry = Schedule.exponential("1 second").pipe(
  Schedule.union(Schedule.spaced("5 minutes")),
  Schedule.jittered
)

const renewing = (margin: number): Schedule.Schedule<Duration.Duration, AccessToken> =>
  Schedule.makeWithState<undefined, AccessToken, Duration.Duration>(undefined, (now, token) =>
    Effect.gen(function* () {
      if (token.expiresAt === undefined) return [undefined, Duration.zero, ScheduleDecision.done] as const
      const lifetime = token.expiresAt - token.obtainedAt
      const wait = lifetime - Math.min(margin, lifetime / 2)
      const start = Math.max(now, token.obtainedAt + Math.floor(wait * (yield* Random.nextRange(0.9, 1))))
      return [
        undefined,
        Duration.millis(start - now),
        ScheduleDecision.continueWith(ScheduleInterval.after(start))
      ] as const
    })
  )
