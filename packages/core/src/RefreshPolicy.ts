import { Duration, Effect, Option, Random, Schedule, ScheduleDecision, ScheduleInterval } from "effect"
import type { AccessToken } from "./AccessToken.js"
import { InvalidOption, type TokenError, type TokenRejected } from "./TokenError.js"
import { durationOption } from "./TokenSource.js"

/** When to renew, how to retry, when to give up. */
export interface RefreshPolicy {
  readonly ahead: Schedule.Schedule<unknown, AccessToken>
  readonly retry: Schedule.Schedule<unknown, TokenError>
  readonly unauthorized: Schedule.Schedule<unknown, TokenRejected>
  readonly timeout: Duration.DurationInput
  readonly wait: Duration.DurationInput
  readonly lease: Duration.DurationInput
  readonly warnings: ReadonlyArray<Duration.DurationInput>
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
   * Spaces the attempts after a passing failure, for all processes together. Once it ends, callers fail at once and
   * an attempt is made after 30 seconds, then a minute, and so on up to every five minutes.
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
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * Bounds how long a caller waits for a token.
   * @default "30 seconds"
   */
  readonly wait?: Duration.DurationInput | undefined
  /**
   * How long the right to refresh lasts unless renewed: what a killed process can delay others by.
   * @default "10 seconds"
   */
  readonly lease?: Duration.DurationInput | undefined
  /**
   * How long before a refresh token ends for good, whatever is done with it, `ReauthorizationSoon` is told.
   * @default ["7 days", "1 day"]
   */
  readonly warnings?: ReadonlyArray<Duration.DurationInput> | undefined
}

/** A policy whose durations are known to be good. */
export interface ResolvedPolicy extends Pick<RefreshPolicy, "ahead" | "retry" | "unauthorized"> {
  readonly timeout: Duration.Duration
  readonly wait: Duration.Duration
  readonly lease: Duration.Duration
  readonly warnings: ReadonlyArray<Duration.Duration>
}

/** Constructors of `RefreshPolicy`. */
export const RefreshPolicy = {
  /** A policy out of Schedules and Durations; what is left out has a default that suits most APIs. */
  make: (options: RefreshPolicyOptions = {}): RefreshPolicy => ({
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
  beforeExpiry: (margin: Duration.DurationInput): Schedule.Schedule<Duration.Duration, AccessToken> =>
    Option.match(Duration.decodeUnknown(margin), {
      onSome: (margin) => renewing(Duration.toMillis(margin)),
      onNone: () =>
        Schedule.makeWithState<InvalidOption, AccessToken, Duration.Duration>(
          new InvalidOption({ option: "ahead", expected: 'a lead time such as "5 minutes"' }),
          (_, __, problem) => Effect.succeed([problem, Duration.zero, ScheduleDecision.done])
        )
    }),

  /** The same policy with its durations resolved, or the error that names the option that is none. */
  resolve: (policy: RefreshPolicy): Effect.Effect<ResolvedPolicy, InvalidOption> =>
    Effect.gen(function* () {
      if (policy.ahead.initial instanceof InvalidOption) return yield* policy.ahead.initial
      const positive = (option: string, input: Duration.DurationInput) =>
        Effect.filterOrFail(
          durationOption(option, input, 'a duration above zero, such as "10 seconds"'),
          (duration) => Duration.toMillis(duration) > 0 && Duration.isFinite(duration),
          () => new InvalidOption({ option, expected: 'a finite duration above zero, such as "10 seconds"' })
        )
      return {
        ahead: policy.ahead,
        retry: policy.retry,
        unauthorized: policy.unauthorized,
        timeout: yield* positive("timeout", policy.timeout),
        wait: yield* positive("wait", policy.wait),
        lease: yield* positive("lease", policy.lease),
        warnings: yield* Effect.forEach(policy.warnings, (lead) => durationOption("warnings", lead))
      }
    })
}

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
