// http/: Requests to resource servers: header, 401, redirect, one retry.
// May import provider/, transport/ and model/.
// Must not know of grants, rows and leases.

import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import { type Checks, checkOptions, effect } from "../model/Options.js"
import { type InvalidOption, isTransient, type TokenError } from "../model/TokenError.js"
import { type TokenProvider, tokenProvider } from "../provider/TokenProvider.js"
import { httpClient } from "../transport/DirectHttpClient.js"
import { TokenUse } from "../transport/TokenMode.js"
import { TokenResponse } from "./AuthorizedResponse.js"
import { type RepairOptions, repairChecks } from "./RepairOptions.js"
import { replayable } from "./ReplayableBody.js"
import type { Refusal } from "./UnauthorizedReason.js"
import { makeRepair, type Tell } from "./UnauthorizedRetry.js"

/** An `HttpClient` whose calls can also fail for want of a token. */
export type TokenHttpClient = HttpClient.HttpClient.With<HttpClientError.HttpClientError | TokenError>

/** What `TokenHttpClient.make` and its layer take. */
export interface TokenHttpClientOptions<E = never, R = TokenProvider> extends RepairOptions {
  /**
   * Whose tokens are attached: the tag of an app with several APIs, or any effect that gives a provider.
   * @default TokenProvider
   */
  readonly provider?: Effect.Effect<TokenProvider["Type"], E, R> | undefined
}

interface Chosen<E, R> extends TokenHttpClientOptions<E, R> {
  readonly provider: Effect.Effect<TokenProvider["Type"], E, R>
}

function make<E, R>(options: Chosen<E, R>): Effect.Effect<TokenHttpClient, InvalidOption | E, HttpClient.HttpClient | R>
function make(
  options: TokenHttpClientOptions
): Effect.Effect<TokenHttpClient, InvalidOption, HttpClient.HttpClient | TokenProvider>
function make<E, R>(options: TokenHttpClientOptions<E, R>) {
  return build(options, identity)
}

function layer<E, R>(
  options: Chosen<E, R>
): Layer.Layer<HttpClient.HttpClient, InvalidOption | E, HttpClient.HttpClient | R>
function layer(
  options: TokenHttpClientOptions
): Layer.Layer<HttpClient.HttpClient, InvalidOption, HttpClient.HttpClient | TokenProvider>
function layer<E, R>(options: TokenHttpClientOptions<E, R>) {
  return Layer.effect(
    HttpClient.HttpClient,
    build(options, (error, request) =>
      HttpClientError.isHttpClientError(error)
        ? error
        : new HttpClientError.RequestError({
            request,
            reason: isTransient(error) ? "Transport" : "Encode",
            cause: error,
            description: error.message
          })
    )
  )
}

/** Builds HTTP clients that carry valid tokens, only to where they are meant for, and that repair rejections. */
export const TokenHttpClient = {
  /**
   * The client of the context with a valid token on each request to the declared origins. A rejected token is
   * replaced and the call made again, as the policy's `unauthorized` allows; then the caller gets the server's last
   * answer. A request that has the header already, or that goes elsewhere, is left as it is.
   *
   * @example
   * ```ts
   * const client = yield* TokenHttpClient.make({ baseUrl: "https://api.example.com" })
   * const invoices = yield* client.get("/invoices")
   * ```
   */
  make,

  /**
   * `make` as a layer for code that asks for a plain `HttpClient`: a `TokenError` is the `cause` of a `RequestError`.
   *
   * @example
   * ```ts
   * const Api = TokenHttpClient.layer({ baseUrl: "https://api.example.com" })
   * ```
   */
  layer,

  /** Runs calls with a token but without repair: a rejection is noted, and the caller gets it. */
  withoutRetry: <A, E, R>(calls: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(calls, TokenUse, "attach"),

  /** Runs calls with a token that their answers say nothing of: the caller gets each as it is, and the token stays in use. */
  withoutRejection: <A, E, R>(calls: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(calls, TokenUse, "trust"),

  /** Runs calls without a token. */
  withoutToken: <A, E, R>(calls: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(calls, TokenUse, "none"),

  /** Says that the stream in a request's body gives the same bytes each time it runs, so that it may be sent again. */
  replayable,

  /** Why a response that refuses the token was not repaired; undefined for any other response. */
  refusal: (response: HttpClientResponse.HttpClientResponse): Refusal | undefined =>
    response instanceof TokenResponse ? response.refusal : undefined
}

const build = <E, R, Told>(options: TokenHttpClientOptions<E, R>, tell: Tell<Told>) =>
  Effect.gen(function* () {
    yield* checkOptions(options, httpChecks)
    const provider: Effect.Effect<TokenProvider["Type"], E | InvalidOption, R | TokenProvider> =
      options.provider ?? tokenProvider
    return (yield* makeRepair(yield* httpClient, yield* provider, options, tell)).client
  })

/** What each option of `TokenHttpClient.make` has to be. */
const httpChecks = {
  ...repairChecks,
  provider: effect("the tag of a provider, or an Effect that gives one")
} satisfies Checks<TokenHttpClientOptions>
