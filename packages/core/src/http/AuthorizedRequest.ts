import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import type * as Predicate from "effect/Predicate"
import type { AccessToken } from "../model/AccessToken.js"
import { initOf } from "../transport/HttpClientInternals.js"
import type { Origins } from "./AllowedOrigins.js"
import { TokenResponse } from "./AuthorizedResponse.js"
import { isBound, type TokenCarrier } from "./TokenCarrier.js"

/** What came of one request. */
export interface Hop {
  /** The request as it was, without the token. */
  readonly request: HttpClientRequest.HttpClientRequest
  readonly response: TokenResponse
  /** Whether the token went all the way: not so where a layer below followed a redirect out of the token's origins. */
  readonly carried: boolean
  /** Whether a redirect in the answer is left to us. */
  readonly follows: boolean
}

/** A request with a token that nobody but the token's origins sees. */
export interface Carrying {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly token: AccessToken
}

/** Sends one request, with a token where it has `carrying`, which is the same request. */
export type Send = (
  request: HttpClientRequest.HttpClientRequest,
  carrying: Carrying | undefined
) => Effect.Effect<Hop, HttpClientError.HttpClientError>

/** Sends through `client`. */
export const makeSend = (client: HttpClient.HttpClient, carrier: TokenCarrier, origins: Origins): Effect.Effect<Send> =>
  Effect.map(
    initOf(client),
    (own): Send =>
      (request, carrying) =>
        Effect.withFiberRuntime((fiber) => {
          const { currentContext } = fiber
          const tracing = fiber.getFiberRef(FiberRef.currentTracerEnabled)
          const untraced = fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)
          const redacted = fiber.getFiberRef(Headers.currentRedactedNames)
          const init = Option.getOrElse(Context.getOption(currentContext, FetchHttpClient.RequestInit), () => own)
          const state = { carried: carrying !== undefined, follows: false }
          const { request: sent, token } = carrying ?? { request }
          /** Below, a span would show the address: it has one of ours instead. */
          const spans = token !== undefined && carrier.header === ""

          // The one place below every other layer that sees each request before it leaves: `followRedirects` copies all
          // headers to any origin, and this takes ours off again. The request is a copy that nobody else holds.
          const watch = (actual: HttpClientRequest.HttpClientRequest) => {
            if (token !== undefined && state.carried && actual.url !== sent.url) {
              const reaches = origins.at(actual, token) !== undefined
              if (spans) {
                state.carried = carrier.isIn(actual)
                if (state.carried && !reaches) throw new Astray()
              } else if (!reaches || isBound(token)) {
                Object.assign(actual, { headers: Headers.remove(actual.headers, carrier.headers) })
                state.carried = false
              }
            }
            return spans || !tracing || untraced(actual)
          }

          const inside = Context.add(currentContext, FetchHttpClient.RequestInit, visible(init, carrier.header, state))
          const hidden = token === undefined || carrier.headers.every((name) => redacted.includes(name))
          const send = (traced: HttpClientRequest.HttpClientRequest) =>
            within(inside, currentContext, watch, untraced, client.execute(traced))
          const sending = spans && tracing && !untraced(request) ? inSpan(request, sent, send) : send(sent)
          return sending.pipe(
            tracing ? identity : Effect.withTracerEnabled(true),
            hidden ? identity : Effect.locally(Headers.currentRedactedNames, [...redacted, ...carrier.headers]),
            spans ? Effect.catchSomeDefect((defect) => astray(defect, request)) : identity,
            Effect.mapBoth({
              onSuccess: (response) => ({ request, response: new TokenResponse(response, carrier), ...state }),
              onFailure: (error) => cleaned(error, carrier)
            })
          )
        })
  )

/** Sends `sent` in a client span that shows `request`. */
const inSpan = <E>(
  request: HttpClientRequest.HttpClientRequest,
  sent: HttpClientRequest.HttpClientRequest,
  send: (traced: HttpClientRequest.HttpClientRequest) => Effect.Effect<HttpClientResponse.HttpClientResponse, E>
): Effect.Effect<HttpClientResponse.HttpClientResponse, E> =>
  Effect.flatMap(HttpClient.SpanNameGenerator, (nameOf) =>
    Effect.useSpan(nameOf(request), { kind: "client", captureStackTrace: false }, (span) =>
      Effect.gen(function* () {
        span.attribute("http.request.method", request.method)
        const url = Option.getOrUndefined(HttpClientRequest.toUrl(request))
        if (url !== undefined) {
          for (const [name, value] of [
            ["server.address", url.origin],
            ["url.full", url.href],
            ["url.path", url.pathname],
            ["url.scheme", url.protocol.slice(0, -1)]
          ] as const) {
            span.attribute(name, value)
          }
        }
        const propagates = yield* FiberRef.get(HttpClient.currentTracerPropagation)
        const traced = propagates ? HttpClientRequest.setHeaders(sent, HttpTraceContext.toHeaders(span)) : sent
        const response = yield* Effect.withParentSpan(send(traced), span)
        span.attribute("http.response.status_code", response.status)
        return response
      })
    )
  )

/** A redirect whose target repeats the token, and which a layer below wants to follow out of the token's origins. */
class Astray {}

const astray = (defect: unknown, request: HttpClientRequest.HttpClientRequest) =>
  defect instanceof Astray
    ? Option.some(
        new HttpClientError.RequestError({
          request,
          reason: "Transport",
          description: "a redirect with the token in it, out of the token's origins"
        })
      )
    : Option.none()

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

const cleaned = (error: HttpClientError.HttpClientError, carrier: TokenCarrier): HttpClientError.HttpClientError => {
  const { cause, description, request } = error
  const told = {
    request: carrier.strip(request),
    // What cannot be an address is quoted by whoever refused it.
    cause: carrier.header === "" && error.reason === "InvalidUrl" ? undefined : cause,
    ...(description === undefined ? {} : { description })
  }
  return error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...told, reason: error.reason })
    : new HttpClientError.ResponseError({
        ...told,
        reason: error.reason,
        response: new TokenResponse(error.response, carrier)
      })
}
