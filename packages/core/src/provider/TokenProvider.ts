// provider/: Hands out tokens: memory, one refresh for all callers, timers.
// May import refresh/, store/ and model/.
// Must not know of requests that carry a token.
// Longer than 200 lines: half of it is what its members promise.

import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../model/AccessToken.js"
import {
  type Checks,
  checkOptions,
  type DurationOption,
  duration,
  effect,
  required,
  service,
  text
} from "../model/Options.js"
import { madePolicy, type RefreshPolicy } from "../model/RefreshPolicy.js"
import {
  type InvalidOption,
  type ProviderClosed,
  type TokenError,
  TokenRejected,
  type TokenStoreError,
  Unauthorized
} from "../model/TokenError.js"
import type { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"
import type { TokenStatus } from "../model/TokenStatus.js"
import { decide } from "../refresh/Decision.js"
import { freshness, isShort } from "../refresh/Freshness.js"
import type { TokenStore } from "../store/TokenStore.js"
import type { CacheEntry } from "./CacheEntry.js"
import { alone } from "./SecondProvider.js"
import { type SyncAccess, TokenAt } from "./SyncAccess.js"
import { makeTokenCache, type Named, type TokenCache, tokenStore } from "./TokenCache.js"

/** Hands out the token of one key. */
export class TokenProvider extends Context.Tag("@evertoken/core/TokenProvider")<
  TokenProvider,
  {
    /** The connection whose tokens these are. */
    readonly key: string
    /** A valid token: from memory while fresh; the old one while it still holds and a renewal runs; else after one shared refresh. */
    readonly get: Effect.Effect<AccessToken, TokenError>
    /**
     * A token that holds for `minValidity` or longer, where one can be had: for a handshake, or a request that takes
     * long. One that ends sooner is refreshed first, once for all who ask, unless less than half of its life is over;
     * where that brings no newer one, this gives what `get` gives.
     */
    readonly getFor: (minValidity: DurationOption) => Effect.Effect<AccessToken, TokenError | InvalidOption>
    /** A token newer than the one now current. */
    readonly refresh: Effect.Effect<AccessToken, TokenError>
    /** Says that the resource server refused `token`. Only a report about the current generation has any effect. */
    readonly reject: (token: AccessToken) => Effect.Effect<void>
    /**
     * Runs `call` with a token; where it fails with `TokenRejected`, gets a newer token and calls again, as
     * `policy.unauthorized` allows, then fails with `Unauthorized`. A refused token is never used again.
     */
    readonly use: <A, E, R>(
      call: (token: AccessToken) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, Exclude<E, TokenRejected> | TokenError, R>
    /** The current token, if there is one, and each newer one, also those another process fetched. */
    readonly changes: Stream.Stream<AccessToken>
    /** What happened and why, from now on; carries no secret. */
    readonly events: Stream.Stream<TokenEvent>
    /** How the connection is doing, as far as this process knows and the store can tell. */
    readonly status: Effect.Effect<TokenStatus>
    /**
     * Starts from tokens got elsewhere: a new generation; back-off and status are cleared. With a refresh token alone,
     * what this gives is an ended token without a value, and the first `get` refreshes.
     */
    readonly put: (tokens: TokenSet) => Effect.Effect<AccessToken, TokenStoreError | ProviderClosed>
    /** Logs out: the row goes, and a refresh in flight cannot bring it back. The source revokes the tokens, where it can. */
    readonly forget: Effect.Effect<void, TokenStoreError | ProviderClosed>
  }
>() {
  /**
   * The provider of one key, for as long as the scope lives; refreshes in flight are finished before it closes.
   *
   * @example
   * ```ts
   * const provider = yield* TokenProvider.make({
   *   key: "billing",
   *   source: OAuth2.clientCredentials({ tokenEndpoint: "https://auth.example.com/token", clientId: "app" })
   * })
   * const token = yield* provider.get
   * ```
   */
  static readonly make = <E = never, R = never>(
    options: TokenProviderOptions<E, R>
  ): Effect.Effect<TokenProvider["Type"], InvalidOption | E, TokenStore | Scope.Scope | R> =>
    Effect.gen(function* () {
      yield* checkOptions(options, providerChecks)
      const source = yield* options.source
      const cache = yield* makeTokenCache(options.policy)
      yield* alone(yield* tokenStore, options.key)
      return providerOf(cache, { key: options.key, source })
    })

  /**
   * `make` as a layer.
   *
   * @example
   * ```ts
   * const Billing = TokenProvider.layer({
   *   key: "billing",
   *   source: OAuth2.clientCredentials({ tokenEndpoint: "https://auth.example.com/token", clientId: "app" })
   * }).pipe(Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer]))
   * const token = Effect.flatMap(TokenProvider, (provider) => provider.get).pipe(Effect.provide(Billing))
   * ```
   */
  static readonly layer = <E = never, R = never>(
    options: TokenProviderOptions<E, R>
  ): Layer.Layer<TokenProvider, InvalidOption | E, TokenStore | Exclude<R, Scope.Scope>> =>
    Layer.scoped(TokenProvider, TokenProvider.make(options))

  /** The same with the key from the configuration; a source reads its own by `Config.unwrap`. */
  static readonly layerConfig = <E = never, R = never>({
    key,
    ...options
  }: Omit<TokenProviderOptions<E, R>, "key"> & { readonly key: Config.Config<string> }): Layer.Layer<
    TokenProvider,
    InvalidOption | ConfigError.ConfigError | E,
    TokenStore | Exclude<R, Scope.Scope>
  > => Layer.unwrapEffect(Effect.map(key, (key) => TokenProvider.layer({ ...options, key })))
}

/** What `TokenProvider.make` takes. */
export interface TokenProviderOptions<E = never, R = never> {
  /** Names the connection: one account at one provider, for one tenant. Cache, flight, lease, back-off and row all go by it. */
  readonly key: string
  /** Where its tokens come from. */
  readonly source: Effect.Effect<TokenSource, E, R>
  /** @default RefreshPolicy.make() */
  readonly policy?: RefreshPolicy | undefined
}

/** What each option of `TokenProvider.make` has to be. */
export const providerChecks = {
  key: required(text("a name for the connection, such as an account's id")),
  source: required(
    effect("an Effect that gives a source, such as OAuth2.clientCredentials({ … }) or TokenSource.make({ … })")
  ),
  policy: (value, option) => (value === undefined ? undefined : madePolicy(value, option))
} satisfies Checks<TokenProviderOptions>

/** The provider of the context. */
export const tokenProvider = service(
  TokenProvider,
  "a layer below that gives it, such as TokenProvider.layer({ key, source })"
)

/** The provider of one key of the cache. */
export const providerOf = (cache: TokenCache, of: Named): TokenProvider["Type"] => {
  const { key } = of
  // Looked up anew where it holds no tokens: another entry may have taken its place.
  let held = cache.entry(of)
  const here = () => {
    held = cache.entry(of)
    return held
  }
  // Step 1, the hot path: no span, no allocation, one look at the clock.
  const fresh = (now: number) => {
    const { current } = held.current === undefined ? here() : held
    held.used(now)
    return current !== undefined && freshness(current, now) === "fresh" ? current : undefined
  }
  let services: unknown
  let clock: Clock.Clock
  const get = Effect.withFiberRuntime<AccessToken, TokenError>((fiber) => {
    if (fiber.currentDefaultServices !== services) {
      services = fiber.currentDefaultServices
      clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    }
    return fresh(clock.unsafeCurrentTimeMillis())?.served ?? cache.obtain(of)
  })

  const getFor = Effect.fnUntraced(function* (minValidity: DurationOption) {
    yield* required(duration)(minValidity, "minValidity") ?? Effect.void
    const token = yield* get
    if (!isShort(token, Duration.toMillis(minValidity), yield* Clock.currentTimeMillis)) return token
    yield* cache.renew(of, token.generation)
    return yield* get
  })

  const use = <A, E, R>(call: (token: AccessToken) => Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const again = yield* Schedule.driver(cache.policy.unauthorized)
      for (let token = yield* get; ; ) {
        const outcome = yield* Effect.either(call(token))
        if (Either.isRight(outcome)) return outcome.right
        const error = outcome.left
        if (isOther(error)) return yield* Effect.fail(error)
        yield* cache.reject(of, token)
        const refused = new Unauthorized({ key, generation: token.generation })
        yield* Effect.mapError(again.next(new TokenRejected()), () => refused)
        const next = yield* get
        if (Equal.equals(next.value, token.value)) return yield* refused
        token = next
      }
    })

  const provider: TokenProvider["Type"] & SyncAccess = {
    key,
    get,
    getFor,
    refresh: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { wait } = cache.policy
      // A process that has nothing in memory yet looks up which token is the current one.
      here().used(now)
      if (held.current === undefined) yield* Effect.ignore(Effect.timeout(Effect.disconnect(cache.sync(of)), wait))
      const newerThan = here().current?.token.generation ?? -1
      return yield* cache.obtain(of, newerThan, now + Duration.toMillis(wait))
    }),
    reject: (token) => cache.reject(of, token),
    use,
    changes: changes(cache, of),
    events: Stream.filter(cache.events, (event) => event.key === key),
    status: Effect.suspend(() => status(cache, here())),
    put: (tokens) => cache.put(of, tokens),
    forget: cache.forget(of),
    [TokenAt]: (now) => fresh(now)?.token
  }
  return provider
}

const isOther = <E>(error: E): error is Exclude<E, TokenRejected> => !(error instanceof TokenRejected)

/** Each newer token, from this process's refreshes, from the store's hints, and from a look into the store now and then. */
const changes = (cache: TokenCache, of: Named): Stream.Stream<AccessToken> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const tokens = yield* Queue.unbounded<AccessToken | undefined>()
      yield* cache.listen(of, (token) => void tokens.unsafeOffer(token))
      const look = cache.sync(of)
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.jittered(Schedule.spaced(LOOK))))
      return Stream.fromQueue(tokens).pipe(
        Stream.takeWhile(Predicate.isNotUndefined),
        Stream.mapAccum(-1, (newest, token) => [
          Math.max(newest, token.generation),
          token.generation > newest ? Option.some(token) : Option.none()
        ]),
        Stream.filterMap((token) => token)
      )
    })
  )

const status = Effect.fnUntraced(function* (cache: TokenCache, entry: CacheEntry) {
  const loaded = yield* Effect.option(cache.store.load(entry.key))
  const now = yield* Clock.currentTimeMillis
  const { current, lastFailure, key, owner, source } = entry
  const record = Option.getOrUndefined(Option.flatten(loaded))
  const tokens = record?.tokens ?? current?.tokens
  const failure = record?.failure
  const reason = failure && (failure.reason ?? failure.code)
  // As if its tokens were in memory: whether they can be replaced is the question.
  const rejected = current?.rejected === true
  const known = { generation: record?.generation ?? 0, expiresAt: Number.POSITIVE_INFINITY, rejected }
  const next = decide({
    key,
    source,
    row: record,
    seen: false,
    refused: false,
    known,
    now,
    owner,
    grace: 0,
    defect: undefined
  })
  const stopped = next._tag === "Stop" ? next.error : undefined
  const error = Option.isNone(loaded) ? lastFailure?.error : stopped
  return {
    key,
    generation: tokens && (record?.generation ?? current?.token.generation),
    expiresAt: tokens?.expiresAt,
    refreshTokenExpiresAt: tokens?.refreshTokenExpiresAt,
    lastSuccessAt: record?.refreshedAt ?? current?.token.obtainedAt,
    lastFailureAt: record?.failedAt ?? lastFailure?.at,
    lastFailure: failure ? `${failure.tag}${reason === undefined ? "" : `: ${reason}`}` : lastFailure?.error._tag,
    nextAttemptAt: record?.retryAt,
    reauthorizationRequired: error?._tag === "ReauthorizationRequired" || error?._tag === "RefreshInDoubt"
  } satisfies TokenStatus
})

const LOOK = "5 seconds"
