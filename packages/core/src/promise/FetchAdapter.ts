import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { TokenResponse } from "../http/AuthorizedResponse.js"
import { marked } from "../http/ReplayableBody.js"
import type { Refusal } from "../http/UnauthorizedReason.js"

/** A call of `fetch`: a request that can be made more than once, and the options that go along each time. */
export interface WebCall {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly init: RequestInit
}

type GivenInit = { readonly [Name in keyof RequestInit]?: RequestInit[Name] | undefined }

/** Takes apart what was given to `fetch`. A body inside a `Request` is cloned for each attempt. */
export const webCall = (input: RequestInfo | URL, init: GivenInit = {}): WebCall => {
  const given = input instanceof Request ? input : undefined
  const asked = init.method ?? given?.method ?? "GET"
  const method = NORMALIZED.test(asked) ? asked.toUpperCase() : asked
  const body =
    init.body !== undefined && init.body !== null
      ? HttpBody.raw(init.body)
      : given !== undefined && given.body !== null
        ? marked(HttpBody.raw(given))
        : HttpBody.empty
  const request = HttpClientRequest.setBody(HttpClientRequest.get(given?.url ?? String(input)), body)
  const headers = init.headers ?? given?.headers
  return {
    request: HttpClientRequest.setHeaders(
      Object.assign(request, { method }),
      headers === undefined ? [] : [...new Headers(headers)]
    ),
    init: { ...(given === undefined ? {} : optionsOf(given)), ...present(init) }
  }
}

/** A client over `fetch` that keeps no hand on its responses: they are given away as they are. */
export const webClient = (fetch: typeof globalThis.fetch): HttpClient.HttpClient =>
  HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) =>
      Effect.flatMap(Effect.serviceOption(FetchHttpClient.RequestInit), (init) =>
        Effect.tryPromise({
          try: (signal) => send(fetch, request, { signal, ...Option.getOrElse(init, (): RequestInit => ({})) }),
          catch: (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
        }).pipe(Effect.map((web) => answered(request, web)))
      )
    ),
    Effect.succeed
  )

/** The answer to `request`, which `webResponse` gives away as it is. */
export const answered = (request: HttpClientRequest.HttpClientRequest, web: Response) =>
  Object.assign(HttpClientResponse.fromWeb(request, web), { web })

/** What `fetch` gives for such a response, its body unread. */
export const webResponse = (response: HttpClientResponse.HttpClientResponse): Response => {
  const inner = response instanceof TokenResponse ? response.original : response
  const web = Predicate.hasProperty(inner, "web") && inner.web instanceof Response ? inner.web : Response.error()
  if (!(response instanceof TokenResponse)) return web
  const { peeked, redirects, refusal } = response
  const { headers, redirected, status, statusText } = web
  const url = response.hide(web.url)
  if (peeked === undefined && redirects === 0 && refusal === undefined && url === web.url) return web
  const whole = peeked === undefined ? web : new Response(peeked.body, { headers, status, statusText })
  return told(whole, { url, redirected: redirected || redirects > 0, refusal })
}

/** `response`, and each clone of it, with what no constructor takes. */
const told = (
  response: Response,
  known: { readonly url: string; readonly redirected: boolean; readonly refusal: Refusal | undefined }
): Response =>
  Object.defineProperties(response, {
    url: { value: known.url },
    redirected: { value: known.redirected },
    clone: { value: () => told(Response.prototype.clone.call(response), known) },
    ...(known.refusal === undefined ? {} : { [Refused]: { value: known.refusal } })
  })

/** Why a response of `webResponse` refuses the token. */
export const refusalOf = (response: Response): Refusal | undefined =>
  isRefused(response) ? response[Refused] : undefined

const Refused: unique symbol = Symbol.for("@evertoken/core/Refusal")
const isRefused = (response: object): response is { readonly [Refused]: Refusal } =>
  Predicate.hasProperty(response, Refused)

/** Sends `request` by `fetch`, with the options that go along. */
export const send = (
  fetch: typeof globalThis.fetch,
  request: HttpClientRequest.HttpClientRequest,
  init: RequestInit
): Promise<Response> => {
  const { body, headers, method } = request
  const url = urlOf(request)
  const options = { ...init, method, headers: { ...headers }, body: null }
  if (body._tag !== "Raw") return fetch(url, options)
  if (!(body.body instanceof Request)) return fetch(url, { ...options, body: init.body ?? null })
  const { body: _, ...others } = options
  const copy = body.body.clone()
  return copy.url === url
    ? fetch(new Request(copy, others))
    : fetch(url, Object.assign(others, { body: copy.body, duplex: "half" }))
}

const urlOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: ({ href }) => href })

const optionsOf = ({ cache, credentials, integrity, keepalive, redirect, referrerPolicy, signal }: Request) => ({
  cache,
  credentials,
  integrity,
  keepalive,
  redirect,
  referrerPolicy,
  signal
})

/** What of `init` is given: for `fetch`, undefined is as good as left out. */
const present = (init: GivenInit): RequestInit =>
  Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined))

/** The methods whose case does not matter to `fetch`. */
const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i
