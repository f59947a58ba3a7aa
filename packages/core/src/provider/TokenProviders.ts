import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, checkOptions, type DurationOption, duration, func, required } from "../model/Options.js"
import { madePolicy, type RefreshPolicy } from "../model/RefreshPolicy.js"
import { type InvalidOption, NoSource, ProviderClosed, type TokenError } from "../model/TokenError.js"
import type { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSource } from "../model/TokenSource.js"
import { within } from "../model/Within.js"
import { freshness } from "../refresh/Freshness.js"
import type { TokenStore } from "../store/TokenStore.js"
import type { CacheEntry } from "./CacheEntry.js"
import { makeTokenCache } from "./TokenCache.js"
import { providerChecks, providerOf, type TokenProvider } from "./TokenProvider.js"

/** Hands out the tokens of any number of keys, each from a source of its own. */
export class TokenProviders extends Context.Tag("@evertoken/core/TokenProviders")<
  TokenProviders,
  {
    /** A valid token of `key`, as `TokenProvider.get` gives it. */
    readonly get: (key: string) => Effect.Effect<AccessToken, TokenError | NoSource>
    /** The whole provider of `key`. It stays good however long nobody uses it. */
    readonly of: (key: string) => Effect.Effect<TokenProvider["Type"], NoSource | ProviderClosed>
    /** Sees to it that the tokens of `key` are newer than generation `newerThan`, and says who did it. Does not count as use. */
    readonly renew: (key: string, newerThan: number) => Effect.Effect<Renewal, TokenError | NoSource>
    /** What happens under any key, from now on; carries no secret. */
    readonly events: Stream.Stream<TokenEvent>
    /** How many keys are in memory. */
    readonly size: Effect.Effect<number>
  }
>() {
  /**
   * The providers of all keys, for as long as the scope lives; refreshes in flight are finished before it closes.
   *
   * @example
   * ```ts
   * const providers = yield* TokenProviders.make({
   *   source: (tenant) => OAuth2.refreshToken({ tokenEndpoint: `https://${tenant}.example.com/token`, clientId: "app" })
   * })
   * const token = yield* providers.get("acme")
   * ```
   */
  static readonly make = <E, R>(
    options: TokenProvidersOptions<E, R>
  ): Effect.Effect<TokenProviders["Type"], InvalidOption, TokenStore | Scope.Scope | R> =>
    Effect.gen(function* () {
      yield* checkOptions(options, providersChecks)
      const idle = Duration.toMillis(options.idle ?? "10 minutes")
      const cache = yield* makeTokenCache(options.policy)
      const find = yield* makeLookup(options.source, cache.policy.wait)

      const entry = (key: string): Effect.Effect<CacheEntry, NoSource | ProviderClosed> => {
        const known = cache.find(key)
        if (known !== undefined) return Effect.succeed(known)
        const found = Effect.flatMap(
          find(key),
          (source) => providerChecks.key(key, "key") ?? Effect.succeed(cache.entry({ key, source }))
        )
        return Effect.catchTag(found, "InvalidOption", (error) => NoSource.of(key, error))
      }
      const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) => cache.release(now - idle))
      const often = Duration.millis(Math.max(idle / 4, 1_000))
      if (Number.isFinite(idle)) yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced(often)))

      return {
        get: (key) =>
          Effect.withFiberRuntime<AccessToken, TokenError | NoSource>((fiber) => {
            const known = cache.find(key)
            if (known === undefined) return Effect.flatMap(entry(key), (entry) => cache.obtain(entry))
            const now = Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
            known.used(now)
            const { current } = known
            return current !== undefined && freshness(current, now) === "fresh" ? current.served : cache.obtain(known)
          }),
        of: (key) => Effect.map(entry(key), ({ source }) => providerOf(cache, { key, source })),
        renew: Effect.fnUntraced(function* (key, newerThan) {
          const held = yield* entry(key)
          const token = yield* cache.obtain(held, newerThan, undefined, false)
          const current = cache.entry(held).current
          const { by, endsAt } =
            current?.token === token ? current : { by: "elsewhere" as const, endsAt: current?.endsAt }
          return { token, by, endsAt }
        }),
        events: cache.events,
        size: cache.size
      }
    })

  /** `make` as a layer. */
  static readonly layer = <E, R>(
    options: TokenProvidersOptions<E, R>
  ): Layer.Layer<TokenProviders, InvalidOption, TokenStore | Exclude<R, Scope.Scope>> =>
    Layer.scoped(TokenProviders, TokenProviders.make(options))
}

/** What `TokenProviders.make` takes. */
export interface TokenProvidersOptions<E = never, R = never> {
  /** Where the tokens of `key` come from. Asked when the key is new here; where it fails, callers get `NoSource`. */
  readonly source: (key: string) => Effect.Effect<TokenSource, E, R>
  /** @default RefreshPolicy.make() */
  readonly policy?: RefreshPolicy | undefined
  /**
   * For how long a key that nobody uses stays in memory and is renewed ahead of time.
   * @default "10 minutes"
   */
  readonly idle?: DurationOption | undefined
}

/** What each option of `TokenProviders.make` has to be. */
export const providersChecks = {
  source: required(func("a function from a key to an Effect that gives its source")),
  policy: (value, option) => (value === undefined ? undefined : madePolicy(value, option)),
  idle: duration
} satisfies Checks<TokenProvidersOptions>

/** What came of `renew`. */
export interface Renewal {
  readonly token: AccessToken
  /** Who brought the token: a request of this process, or somebody else. */
  readonly by: "login" | "refresh" | "elsewhere"
  /** When the refresh token ends for good, in epoch milliseconds, if that is soon. */
  readonly endsAt: number | undefined
}

/**
 * Looks sources up: once for all who ask at the same time, bounded in time, and anew after a failure. Once the scope has
 * closed no lookup is under way any more, and none starts.
 */
const makeLookup = <E, R>(source: (key: string) => Effect.Effect<TokenSource, E, R>, bound: Duration.Duration) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const fork = yield* FiberSet.makeRuntime<never, void>()
    const under = new Map<string, Deferred.Deferred<TokenSource, NoSource | ProviderClosed>>()
    let closed = false
    const close = Effect.suspend(() => {
      closed = true
      return Effect.forEach(under, ([key, made]) => Deferred.fail(made, new ProviderClosed({ key })), { discard: true })
    })
    yield* Effect.addFinalizer(() => close)
    const ask = (key: string) =>
      Effect.suspend(() => source(key)).pipe(
        Effect.provide(context),
        Effect.catchAllCause((cause) => NoSource.of(key, Cause.squash(cause))),
        within(bound, () => new NoSource({ key, detail: "the lookup took too long" }))
      )
    return (key: string): Effect.Effect<TokenSource, NoSource | ProviderClosed> =>
      Effect.suspend(() => {
        if (closed) return new ProviderClosed({ key })
        const known = under.get(key)
        if (known !== undefined) return Deferred.await(known)
        return Effect.flatMap(Deferred.make<TokenSource, NoSource | ProviderClosed>(), (made) => {
          under.set(key, made)
          const done = Effect.ensuring(
            Effect.intoDeferred(ask(key), made),
            Effect.sync(() => under.delete(key))
          )
          fork(Effect.asVoid(done))
          return Deferred.await(made)
        })
      })
  })
