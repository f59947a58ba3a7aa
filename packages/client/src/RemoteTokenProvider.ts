// Longer than 200 lines: one provider, whose calls share a client and the meaning of its errors.

import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import {
  ClientRejected,
  DirectHttpClient,
  type InvalidOption,
  ReauthorizationRequired,
  RefreshPolicy,
  TokenEndpointError,
  type TokenError,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStoreError
} from "@evertoken/core"
import { type Checks, checkOptions, endpoint, required, secret, text } from "@evertoken/core/options"
import { MemoryTokenStore } from "@evertoken/store-memory"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Api } from "./Api.js"

/** What `RemoteTokenProvider.make` takes. */
export interface RemoteOptions {
  /** Where the token service is: `https`, or `http` on the loopback. */
  readonly url: string
  readonly apiKey: Redacted.Redacted
  /** The key of the tokens, as the service knows it. */
  readonly key: string
  /** When to ask again, and how long to wait. What the service itself does is its own policy. */
  readonly policy?: RefreshPolicy | undefined
}

const remoteChecks = {
  url: required(endpoint),
  apiKey: required(secret("Redacted.make of an API key of the token service")),
  key: required(text("the key of the tokens, as the service knows it")),
  policy: () => undefined
} satisfies Checks<RemoteOptions>

/**
 * A `TokenProvider` whose tokens come from a token service: swap the layer and nothing else. One request for any number
 * of callers, a copy in memory while it is fresh, and a refused token is reported and replaced.
 *
 * @example
 * ```ts
 * const provider = yield* RemoteTokenProvider.make({
 *   url: "https://tokens.example.com",
 *   apiKey: Redacted.make("evk_…"),
 *   key: "billing"
 * })
 * const token = yield* provider.get
 * ```
 */
export const make = (
  options: RemoteOptions
): Effect.Effect<TokenProvider["Type"], InvalidOption, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkOptions(options, remoteChecks)
    const { apiKey, key } = options
    // The API key and the tokens go to the service itself, and only what it says itself is believed.
    const direct = yield* DirectHttpClient.make
    const client = yield* HttpApiClient.make(Api, {
      baseUrl: options.url,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(apiKey))
    }).pipe(Effect.provideService(HttpClient.HttpClient, direct))
    /** The validity, in seconds, that is asked for. */
    let minValidity = LEAST
    const ask = (rejected: number | undefined) =>
      Effect.suspend(() => client.tokens.get({ urlParams: { key, rejected, minValidity } })).pipe(
        Effect.map(({ accessToken, expiresAt, extra, generation, scopes, tokenType }) =>
          // The service's generation stands in for a refresh token: it is what a newer token is asked for with.
          TokenSet.make({
            ...{ accessToken, tokenType, scopes, extra, refreshToken: String(generation) },
            expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt)
          })
        ),
        Effect.mapError(toSourceError)
      )
    const provider = yield* TokenProvider.make({
      key,
      source: TokenSource.make({
        login: ask(undefined),
        refresh: ({ refreshToken }, newer) =>
          ask(newer === true && refreshToken !== undefined ? Number(Redacted.value(refreshToken)) : undefined),
        // Asking twice does no harm.
        replayWindow: "365 days"
      }),
      policy:
        options.policy ??
        RefreshPolicy.make({
          ahead: RefreshPolicy.beforeExpiry("30 seconds"),
          retry,
          wait: "40 seconds",
          timeout: "35 seconds"
        })
    }).pipe(Effect.provide(MemoryTokenStore.layer))

    const told = <A, E>(effect: Effect.Effect<A, TokenError | E>) =>
      Effect.mapError(effect, (error) => heard(key, error))
    const failed = () => new TokenStoreError({ reason: "unreachable", key, detail: "the token service did not do it" })
    const service: TokenProvider["Type"] = {
      ...provider,
      get: told(provider.get),
      getFor: (wanted) =>
        Effect.suspend(() => {
          minValidity = Math.max(minValidity, Math.min(Duration.toSeconds(wanted), MOST))
          return told(provider.getFor(wanted))
        }).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              minValidity = LEAST
            })
          )
        ),
      refresh: told(provider.refresh),
      use: (call) => Effect.mapError(provider.use(call), (error) => heard(key, error)),
      put: Effect.fnUntraced(function* (given) {
        const now = yield* Clock.currentTimeMillis
        const tokens = given.obtained(given.obtainedAt ?? now)
        const left = (end = 0) => (end > now ? (end - now) / 1_000 : undefined)
        const payload = {
          key,
          accessToken: now < tokens.holdsUntil ? Redacted.value(tokens.accessToken) : undefined,
          tokenType: tokens.tokenType,
          expiresIn: left(tokens.expiresAt),
          refreshToken: tokens.refreshToken && Redacted.value(tokens.refreshToken),
          refreshTokenExpiresIn: left(tokens.refreshTokenExpiresAt),
          scopes: tokens.scopes,
          extra: tokens.extra
        }
        const { generation } = yield* Effect.mapError(client.tokens.put({ payload }), failed)
        return yield* provider.put(new TokenSet({ ...tokens, refreshToken: Redacted.make(String(generation)) }))
      }),
      forget: client.tokens
        .forget({ urlParams: { key } })
        .pipe(Effect.mapError(failed), Effect.zipRight(provider.forget))
    }
    return service
  })

/** `make` as a layer. */
export const layer = (options: RemoteOptions): Layer.Layer<TokenProvider, InvalidOption, HttpClient.HttpClient> =>
  Layer.scoped(TokenProvider, make(options))

/** The same with options from the configuration. */
export const layerConfig = (
  options: Config.Config.Wrap<RemoteOptions>
): Layer.Layer<TokenProvider, InvalidOption | ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))

const LEAST = 30
const MOST = 86_400
const retry = Schedule.jittered(Schedule.spaced("2 seconds"))

/** No answer of the service kills the local copy for good: what needs a login heals with it. */
const toSourceError = (error: {
  readonly _tag: string
  readonly code?: string | undefined
  readonly retryAfter?: number | undefined
}) => {
  switch (error._tag) {
    case "NeedsLogin":
      return new ClientRejected({ code: NEEDS_LOGIN, detail: error.code })
    case "Misconfigured":
      return new ClientRejected({ code: error.code ?? "misconfigured" })
    case "SourceDefect":
      return new ClientRejected({
        code: "source_defect",
        detail: "the connection's source has a bug; see the service's log"
      })
    case "Unauthenticated":
    case "Forbidden":
    case "UnknownConnection":
    case "BadRequest":
    case "HttpApiDecodeError":
      return new ClientRejected({ code: error._tag, detail: "the token service refuses this API key, or the key" })
    case "TooManyRequests":
      return new TokenEndpointError({ reason: "throttled", retryAfter: 1_000, detail: "the token service" })
    default:
      return new TokenEndpointError({
        reason: "unavailable",
        retryAfter: error.retryAfter === undefined ? undefined : error.retryAfter * 1_000,
        detail: "the token service"
      })
  }
}

const heard = <E>(key: string, error: E): E | TokenError =>
  error instanceof ClientRejected && error.code === NEEDS_LOGIN
    ? new ReauthorizationRequired({ key, reason: "refused", code: error.detail })
    : error

const NEEDS_LOGIN = "needs_login"
