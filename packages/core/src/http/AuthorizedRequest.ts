import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import { initOf } from "../transport/HttpClientInternals.js"
import type { Origins } from "./AllowedOrigins.js"
import type { TokenHeader } from "./AuthorizationHeader.js"
import { TokenResponse, withoutHeaders } from "./AuthorizedResponse.js"

/** What came of one request. */
export interface Hop {
  readonly response: TokenResponse
  /** Whether the token went all the way: not so where a layer below followed a redirect out of the token's origins. */
  readonly carried: boolean
  /** Whether a redirect in the answer is left to us. */
  readonly follows: boolean
}

/** Sends one request with some headers that nobody but the declared origins sees. */
export type Send = (
  request: HttpClientRequest.HttpClientRequest,
  secrets: Readonly<Record<string, string>>
) => Effect.Effect<Hop, HttpClientError.HttpClientError>

/** Sends through `client`. */
export const makeSend = (client: HttpClient.HttpClient, header: TokenHeader, origins: Origins): Effect.Effect<Send> =>
  Effect.map(
    initOf(client),
    (own): Send =>
      (request, secrets) =>
        Effect.withFiberRuntime((fiber) => {
          const { name, names } = header
          const { currentContext } = fiber
          const tracing = fiber.getFiberRef(FiberRef.currentTracerEnabled)
          const untraced = fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)
          const redacted = fiber.getFiberRef(Headers.currentRedactedNames)
          const init = Option.getOrElse(Context.getOption(currentContext, FetchHttpClient.RequestInit), () => own)
          const state = { carried: name in secrets, follows: false }
          let sent = request
          for (const name in secrets) sent = HttpClientRequest.setHeader(sent, name, secrets[name] ?? "")

          // The one place below every other layer that sees each request before it leaves: `followRedirects` copies all
          // headers to any origin, and this takes ours off again. The request is a copy that nobody else holds.
          const watch = (actual: HttpClientRequest.HttpClientRequest) => {
            if (state.carried && actual.url !== sent.url && ("dpop" in secrets || !origins.has(actual))) {
              Object.assign(actual, { headers: Headers.remove(actual.headers, names) })
              state.carried = false
            }
            return !tracing || untraced(actual)
          }

          const inside = Context.add(currentContext, FetchHttpClient.RequestInit, visible(init, name, state))
          const hidden = Object.keys(secrets).every((name) => redacted.includes(name))
          return within(inside, currentContext, watch, untraced, client.execute(sent)).pipe(
            tracing ? identity : Effect.withTracerEnabled(true),
            hidden ? identity : Effect.locally(Headers.currentRedactedNames, [...redacted, ...names]),
            Effect.mapBoth({
              onSuccess: (response) => ({ response: new TokenResponse(response, names), ...state }),
              onFailure: (error) => cleaned(error, names)
            })
          )
        })
  )

/** Runs `use` with both set, and sets them back: `Effect.locally` twice, at half the price. */
const within = <A, E>(
  inside: Context.Context<never>,
  outside: Context.Context<never>,
  watch: Predicate.Predicate<HttpClientRequest.HttpClientRequest>,
  unwatched: Predicate.Predicate<HttpClientRequest.HttpClientRequest>,
  use: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) => {
    const set = (context: Context.Context<never>, disabled: typeof watch) =>
      Effect.zipRight(
        FiberRef.set(FiberRef.currentContext, context),
        FiberRef.set(HttpClient.currentTracerDisabledWhen, disabled)
      )
    const back = set(outside, unwatched)
    return Effect.zipRight(
      set(inside, watch),
      Effect.matchCauseEffect(restore(use), {
        onSuccess: (value) => Effect.as(back, value),
        onFailure: (cause) => Effect.zipRight(back, Effect.failCause(cause))
      })
    )
  })

/** `fetch` follows redirects by itself, out of our sight: here it is told not to, and notes that it would have. */
export const visible = (init: RequestInit, name: string, state: { follows: boolean }): RequestInit => {
  if ((init.redirect ?? "follow") !== "follow") return init
  if (hidesRedirects()) {
    // A browser drops `Authorization` on the way to another origin, and no other header.
    return name === "authorization" ? init : { ...init, redirect: "error" }
  }
  return {
    ...init,
    get redirect(): RequestRedirect {
      state.follows = true
      return "manual"
    }
  }
}

/** In a browser a redirect that is not followed cannot be looked into. */
const hidesRedirects = (): boolean => "document" in globalThis || "importScripts" in globalThis

const cleaned = (
  error: HttpClientError.HttpClientError,
  names: ReadonlyArray<string>
): HttpClientError.HttpClientError => {
  const { cause, description, request } = error
  const told = { request: withoutHeaders(request, names), cause, ...(description === undefined ? {} : { description }) }
  return error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...told, reason: error.reason })
    : new HttpClientError.ResponseError({
        ...told,
        reason: error.reason,
        response: new TokenResponse(error.response, names)
      })
}
