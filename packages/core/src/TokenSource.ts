import { type Context, Duration, Effect, Option } from "effect"
import type { SourceLimits } from "./SourceLimits.js"
import { type ClientRejected, type GrantRejected, InvalidOption, type TokenEndpointError } from "./TokenError.js"
import type { TokenSet } from "./TokenSet.js"

/** Where tokens come from: `login` makes them from nothing, `refresh` from the current ones. Either may be absent. */
export interface TokenSource {
  readonly login: Effect.Effect<TokenSet, SourceError> | undefined
  /** `newer` says that the current access token will not do, however long it still holds. */
  readonly refresh: ((current: TokenSet, newer?: boolean) => Effect.Effect<TokenSet, SourceError>) | undefined
  /** Tells the authorization server that these tokens are no longer wanted; best effort. */
  readonly revoke: ((tokens: TokenSet) => Effect.Effect<void, SourceError>) | undefined
  readonly traits: SourceTraits
}

/** What a source may fail with. */
export type SourceError = GrantRejected | TokenEndpointError | ClientRejected

/** What the authorization server behind a source is like; the refresh protocol obeys it. Durations are resolved. */
export interface SourceTraits {
  readonly replay: "once" | "never"
  readonly replayWindow: Duration.Duration
  readonly earliestRefresh: Duration.Duration
  readonly keepAlive: Duration.Duration | undefined
  readonly refreshTokenLifetime: Duration.Duration | undefined
  readonly revokesAccessToken: boolean
  readonly limits: SourceLimits | undefined
}

/** How an authorization server treats refresh tokens, declared with the source and never guessed. */
export interface TraitOptions {
  /**
   * What to do when a refresh token was presented and the answer was lost. `"once"`: each lost answer lets it be
   * presented one more time, after the old access token has ended. `"never"`: callers get `RefreshInDoubt`.
   * @default "once"
   */
  readonly replay?: "once" | "never" | undefined
  /**
   * For how long the server accepts a refresh token again after its first use; inside it a lost answer is asked for
   * again at once.
   * @default "0 seconds"
   */
  readonly replayWindow?: Duration.DurationInput | undefined
  /**
   * The age of an access token before which the server refuses to refresh it.
   * @default "0 seconds"
   */
  readonly earliestRefresh?: Duration.DurationInput | undefined
  /** Refresh a token that nobody used for this long, so that an idle refresh token does not end. */
  readonly keepAlive?: Duration.DurationInput | undefined
  /** How long a refresh token lives where the answer does not say. */
  readonly refreshTokenLifetime?: Duration.DurationInput | undefined
  /**
   * Whether a refresh ends the old access token at once; then it is renewed as late as is safe.
   * @default false
   */
  readonly revokesAccessToken?: boolean | undefined
  /** How much the token endpoint can take. Give the same to each source that asks the same endpoint. */
  readonly limits?: SourceLimits | undefined
}

/** What `TokenSource.make` takes. */
export interface TokenSourceOptions<R1 = never, R2 = never, R3 = never> extends TraitOptions {
  /** Gets tokens from nothing: a client's or a robot's own credentials. */
  readonly login?: Effect.Effect<TokenSet, SourceError, R1> | undefined
  /** Gets newer tokens from the current ones. Called only when these hold a refresh token, unless `login` is absent. */
  readonly refresh?: ((current: TokenSet, newer?: boolean) => Effect.Effect<TokenSet, SourceError, R2>) | undefined
  /** Called with the tokens that `forget` removed. */
  readonly revoke?: ((tokens: TokenSet) => Effect.Effect<void, SourceError, R3>) | undefined
}

/** Constructors of `TokenSource`. */
export const TokenSource = {
  /** Makes a source of any pair of effects; what they require is taken once, here. */
  make: <R1 = never, R2 = never, R3 = never>(
    options: TokenSourceOptions<R1, R2, R3>
  ): Effect.Effect<TokenSource, InvalidOption, R1 | R2 | R3> =>
    Effect.gen(function* () {
      const { login, refresh, revoke } = options
      if (login === undefined && refresh === undefined) {
        return yield* new InvalidOption({ option: "source", expected: "a login, a refresh, or both" })
      }
      const traits = yield* resolveTraits(options)
      const context: Context.Context<R1 | R2 | R3> = yield* Effect.context<R1 | R2 | R3>()
      return {
        login: login === undefined ? undefined : Effect.provide(login, context),
        refresh:
          refresh === undefined ? undefined : (current, newer) => Effect.provide(refresh(current, newer), context),
        revoke: revoke === undefined ? undefined : (tokens) => Effect.provide(revoke(tokens), context),
        traits
      }
    })
}

/** The duration that `input` stands for, or the error that names the option. */
export const durationOption = (
  option: string,
  input: unknown,
  expected = 'a duration of zero or more, such as "5 minutes"'
): Effect.Effect<Duration.Duration, InvalidOption> =>
  Option.match(Duration.decodeUnknown(input), {
    onSome: (duration) => Effect.succeed(duration),
    onNone: () => Effect.fail(new InvalidOption({ option, expected }))
  })

const resolveTraits = (options: TraitOptions): Effect.Effect<SourceTraits, InvalidOption> =>
  Effect.gen(function* () {
    const replay = options.replay ?? "once"
    if (replay !== "once" && replay !== "never") {
      return yield* new InvalidOption({ option: "replay", expected: '"once" or "never"' })
    }
    return {
      replay,
      replayWindow: yield* durationOption("replayWindow", options.replayWindow ?? 0),
      earliestRefresh: yield* durationOption("earliestRefresh", options.earliestRefresh ?? 0),
      keepAlive: options.keepAlive === undefined ? undefined : yield* durationOption("keepAlive", options.keepAlive),
      refreshTokenLifetime:
        options.refreshTokenLifetime === undefined
          ? undefined
          : yield* durationOption("refreshTokenLifetime", options.refreshTokenLifetime),
      revokesAccessToken: options.revokesAccessToken ?? false,
      limits: options.limits
    }
  })
