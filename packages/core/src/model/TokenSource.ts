// model/: The words of the design: values, errors, events, options.
// May import no other room.
// Must not know of stores, HTTP, the protocol.
// Longer than 200 lines: a source is its options, traits and checks, each documented where it is declared.

import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { fence } from "./Fence.js"
import {
  boolean,
  type Checks,
  checkOptions,
  type DurationOption,
  duration,
  effect,
  func,
  kind,
  oneOf,
  positive
} from "./Options.js"
import type { SourceLimits } from "./SourceLimits.js"
import { ClientRejected, GrantRejected, InvalidOption, TokenEndpointError } from "./TokenError.js"
import type { TokenSet } from "./TokenSet.js"

/** Where tokens come from: `login` makes them from nothing, `refresh` from the current ones. Either may be absent. */
export interface TokenSource {
  readonly login: Effect.Effect<TokenSet, SourceError> | undefined
  /** `newer` says that the current access token will not do, however long it still holds. */
  readonly refresh: ((current: TokenSet, newer?: boolean) => Effect.Effect<TokenSet, SourceError>) | undefined
  /** Tells the authorization server that these tokens are no longer wanted; best effort. */
  readonly revoke: ((tokens: TokenSet) => Effect.Effect<void, SourceError>) | undefined
  readonly traits: SourceTraits
  /** All that its requests depend on as one text, secrets included: it changes where the description or a credential does. */
  readonly identity?: Effect.Effect<Redacted.Redacted, SourceError> | undefined
  /** Whether `login` and `refresh` run `TokenSource.fence` themselves. */
  readonly fenced?: boolean | undefined
}

/** What a source may fail with. */
export type SourceError = GrantRejected | TokenEndpointError | ClientRejected

/** Whether `error` is one that a source may fail with. */
export const isSourceError = (error: unknown): error is SourceError =>
  error instanceof GrantRejected || error instanceof TokenEndpointError || error instanceof ClientRejected

/** What the authorization server behind a source is like; the refresh protocol obeys it. Durations are resolved. */
export interface SourceTraits {
  readonly replay: "once" | "never"
  readonly replayWindow: Duration.Duration
  readonly earliestRefresh: Duration.Duration
  readonly keepAlive: Duration.Duration | undefined
  readonly refreshTokenLifetime: Duration.Duration | undefined
  readonly revokesAccessToken: boolean
  readonly revokes: "replaced" | undefined
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
  readonly replayWindow?: DurationOption | undefined
  /**
   * The age of an access token before which the server gives no newer one, by a refresh or a login. Whoever needs one
   * sooner waits for it as long as the policy lets them, else gets a `TokenEndpointError` that is `throttled`.
   * @default "0 seconds"
   */
  readonly earliestRefresh?: DurationOption | undefined
  /** Refresh a token that nobody used for this long, so that an idle refresh token does not end. */
  readonly keepAlive?: DurationOption | undefined
  /** How long a refresh token lives where the answer does not say. */
  readonly refreshTokenLifetime?: DurationOption | undefined
  /**
   * Whether a refresh ends the old access token at once; then it is renewed as late as is safe.
   * @default false
   */
  readonly revokesAccessToken?: boolean | undefined
  /**
   * `"replaced"`: what a login or a refresh replaced is revoked once the newer tokens are saved, for servers that count
   * sessions; best effort. Of a login all that was there, of a refresh the access token alone, since its grant goes on.
   * Also what a store in memory keeps when it ends. It needs a revocation.
   */
  readonly revokes?: "replaced" | undefined
  /** How much the token endpoint can take. Give the same to each source that asks the same endpoint. */
  readonly limits?: SourceLimits | undefined
}

/** What `TokenSource.make` takes. */
export interface TokenSourceOptions<R1 = never, R2 = never, R3 = never, R4 = never> extends TraitOptions {
  /** Gets tokens from nothing: a client's or a robot's own credentials. */
  readonly login?: Effect.Effect<TokenSet, SourceError, R1> | undefined
  /** Gets newer tokens from the current ones. Called only when these hold a refresh token, unless `login` is absent. */
  readonly refresh?: ((current: TokenSet, newer?: boolean) => Effect.Effect<TokenSet, SourceError, R2>) | undefined
  /** Called with the tokens that `forget` removed, and with what `revokes` says. */
  readonly revoke?: ((tokens: TokenSet) => Effect.Effect<void, SourceError, R3>) | undefined
  /**
   * Whether `login` and `refresh` run `TokenSource.fence` right before each request that they send. Without, it is run
   * before they are called, so that nothing should take long between their start and their request.
   * @default false
   */
  readonly fenced?: boolean | undefined
  /**
   * A text that changes where the description or the credentials do, such as the client id and its secret together. The
   * row of a source that was refused (`ClientRejected`) keeps a keyed digest of it, so that one that changed is asked at
   * once, and no other before its time.
   */
  readonly identity?: Effect.Effect<Redacted.Redacted, SourceError, R4> | undefined
}

/** What each trait has to be. */
export const traitChecks = {
  replay: oneOf("once", "never"),
  replayWindow: duration,
  earliestRefresh: duration,
  keepAlive: positive,
  refreshTokenLifetime: positive,
  revokesAccessToken: boolean,
  revokes: oneOf("replaced"),
  limits: kind(
    "what `yield* SourceLimits.make({ concurrency: 5 })` gives",
    (value) => Predicate.hasProperty(value, "inTurn") && Predicate.isFunction(value.inTurn)
  )
} satisfies Checks<TraitOptions>

/** What each option of `TokenSource.make` has to be. */
export const sourceChecks = {
  ...traitChecks,
  login: effect("an Effect that gives TokenSet.make({ … }); for a promise, Effect.tryPromise(async () => …)"),
  refresh: func("a function from the current TokenSet to an Effect that gives TokenSet.make({ … })"),
  revoke: func("a function from the removed TokenSet to an Effect"),
  fenced: boolean,
  identity: effect("an Effect that gives Redacted.make of a text")
} satisfies Checks<TokenSourceOptions>

/** The traits among `options`. */
export const traitsOf = ({
  earliestRefresh,
  keepAlive,
  limits,
  refreshTokenLifetime,
  replay,
  replayWindow,
  revokes,
  revokesAccessToken
}: TraitOptions): TraitOptions => ({
  ...{ earliestRefresh, keepAlive, limits, refreshTokenLifetime, replay, replayWindow, revokes, revokesAccessToken }
})

/** Constructors of `TokenSource`. */
export const TokenSource = {
  /**
   * Fails where this process may not send a token request any more, since it slept, or lost the right to refresh to
   * another process. A source that has work to do before its request (a signature, discovery) runs it after that work.
   */
  fence,

  /**
   * Makes a source of any pair of effects; what they require is taken once, here.
   *
   * @example
   * ```ts
   * const source = TokenSource.make({
   *   login: Effect.tryPromise({
   *     try: async () => {
   *       const response = await fetch("https://auth.example.com/session", { method: "POST" })
   *       const { token } = await response.json()
   *       return TokenSet.make({ accessToken: token, expiresIn: "1 hour" })
   *     },
   *     catch: () => new TokenEndpointError({ reason: "unreachable" })
   *   })
   * })
   * ```
   */
  make: <R1 = never, R2 = never, R3 = never, R4 = never>(
    options: TokenSourceOptions<R1, R2, R3, R4>
  ): Effect.Effect<TokenSource, InvalidOption, R1 | R2 | R3 | R4> =>
    Effect.gen(function* () {
      yield* checkOptions(options, sourceChecks)
      const { identity, login, refresh, revoke } = options
      if (login === undefined && refresh === undefined) {
        return yield* new InvalidOption({ option: "source", expected: "a login, a refresh, or both" })
      }
      if (refresh === undefined) {
        for (const option of OF_REFRESH) {
          const expected = "a source with a refresh: without, it has no effect"
          if (options[option] !== undefined) return yield* new InvalidOption({ option, expected })
        }
      }
      if (revoke === undefined && options.revokes !== undefined) {
        const expected = "a source with a revocation: `revoke`, or a `revocationEndpoint`; without, it has no effect"
        return yield* new InvalidOption({ option: "revokes", expected })
      }
      const context: Context.Context<R1 | R2 | R3 | R4> = yield* Effect.context<R1 | R2 | R3 | R4>()
      return {
        login: login === undefined ? undefined : Effect.provide(login, context),
        refresh:
          refresh === undefined ? undefined : (current, newer) => Effect.provide(refresh(current, newer), context),
        revoke: revoke === undefined ? undefined : (tokens) => Effect.provide(revoke(tokens), context),
        traits: resolveTraits(options),
        fenced: options.fenced,
        identity: identity && Effect.provide(identity, context)
      }
    })
}

/** The traits that have no effect without a refresh. */
export const OF_REFRESH = ["replay", "replayWindow", "keepAlive", "refreshTokenLifetime"] as const

const resolveTraits = (options: TraitOptions): SourceTraits => {
  const { keepAlive, refreshTokenLifetime } = options
  return {
    replay: options.replay ?? "once",
    replayWindow: Duration.decode(options.replayWindow ?? "0 seconds"),
    earliestRefresh: Duration.decode(options.earliestRefresh ?? "0 seconds"),
    keepAlive: keepAlive && Duration.decode(keepAlive),
    refreshTokenLifetime: refreshTokenLifetime && Duration.decode(refreshTokenLifetime),
    revokesAccessToken: options.revokesAccessToken ?? false,
    revokes: options.revokes,
    limits: options.limits
  }
}
