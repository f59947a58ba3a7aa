import { FetchHttpClient, HttpClient, type HttpClientError, HttpClientRequest } from "@effect/platform"
import { Clock, Effect, Option, Predicate } from "effect"
import { parseJson } from "./Expiry.js"
import { initOf, prepared } from "./Hop.js"
import { TokenUse } from "./Replay.js"
import { safeUrl } from "./SafeUrl.js"
import { InvalidOption, TokenEndpointError } from "./TokenError.js"

/** One request to a token endpoint, and the secrets in it that no error may repeat. */
export interface TokenRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: { readonly text: string; readonly type: string } | undefined
  readonly secrets: ReadonlyArray<string>
}

/** What came back, read to its end. The body is JSON, or the fields of a form, or else its text; undefined where it is empty. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: unknown
  /** When it was read, in epoch milliseconds. */
  readonly now: number
  readonly secrets: ReadonlyArray<string>
}

/** Sends one request, once. */
export type Send = (request: TokenRequest) => Effect.Effect<Answer, TokenEndpointError>

/**
 * Sends over the caller's `HttpClient`: no retry, no redirect followed, no token of a `TokenHttpClient`, no span that
 * could show a secret. Interrupting it aborts the request.
 */
export const makeSend: Effect.Effect<Send, never, HttpClient.HttpClient> = Effect.gen(function* () {
  const given = yield* HttpClient.HttpClient
  const init = Option.getOrElse(yield* Effect.serviceOption(FetchHttpClient.RequestInit), () => ({}))
  const own = yield* initOf(prepared(given))
  const client = given.pipe(
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.transformResponse(
      Effect.provideService(FetchHttpClient.RequestInit, { ...own, ...init, redirect: "manual" })
    ),
    HttpClient.transformResponse(Effect.provideService(TokenUse, "none"))
  )
  return Effect.fnUntraced(function* ({ body, headers, method, secrets, url }) {
    const plain = HttpClientRequest.make(method)(url, { headers })
    const request = body === undefined ? plain : HttpClientRequest.bodyText(plain, body.text, body.type)
    const response = yield* client.execute(request).pipe(
      Effect.catchTag("ResponseError", (error) =>
        error.reason === "StatusCode" ? Effect.succeed(error.response) : Effect.fail(error)
      ),
      Effect.mapError(toTokenEndpointError)
    )
    const text = yield* Effect.mapError(response.text, toTokenEndpointError)
    return {
      status: response.status,
      headers: response.headers,
      body: parse(text),
      now: yield* Clock.currentTimeMillis,
      secrets
    }
  })
})

/** Bounds a request that no provider bounds. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | TokenEndpointError, R> =>
  Effect.timeoutFail(effect, { duration: "30 seconds", onTimeout: () => new TokenEndpointError({ reason: "timeout" }) })

/** An endpoint's URL, or the error that names the option: `https`, or `http` on the loopback, without credentials in it. */
export const endpointOption = (option: string, value: unknown): Effect.Effect<URL, InvalidOption> =>
  Effect.mapError(
    safeUrl(value),
    () => new InvalidOption({ option, expected: "an https URL without credentials in it (http on the loopback only)" })
  )

const parse = (raw: string): unknown => {
  const text = raw.replace(/^\uFEFF/, "")
  return Option.getOrElse(parseJson(text), () =>
    /^[\w.%-]+=[^\s<>{}"]*$/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : text || undefined
  )
}

// Only the names and codes of a transport error are looked at: its text may hold the URL.
const toTokenEndpointError = (error: HttpClientError.HttpClientError): TokenEndpointError => {
  const codes = codesOf(error, [])
  const told = (pattern: RegExp) => codes.find((code) => pattern.test(code))
  const sent = error._tag === "ResponseError"
  const unsent = sent ? undefined : (told(UNSENT) ?? (error.reason === "Transport" ? undefined : error.reason))
  const detail = unsent ?? told(TIMEOUT) ?? told(/^[A-Z][A-Z_\d]+$/)
  const reason = unsent !== undefined ? "unreachable" : told(TIMEOUT) !== undefined ? "timeout" : "disconnected"
  return new TokenEndpointError({ reason, detail, ...(sent ? { status: error.response.status } : {}) })
}

/** Name resolution, connecting and the TLS handshake: nothing of the request has left. */
const UNSENT =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|connect|getaddrinfo|\w*CERT\w*|UNABLE_TO_\w+|ERR_TLS_\w+|ERR_SSL_(?:WRONG_VERSION|UNSUPPORTED|NO_PROTOCOLS|\w*HANDSHAKE|\w*ALERT)\w*|ConnectionRefused|FailedToOpenSocket)$/
const TIMEOUT = /^(?:ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_(?:HEADERS|BODY)_TIMEOUT|TimeoutError)$/

const codesOf = (error: unknown, found: Array<string>): ReadonlyArray<string> => {
  if (!Predicate.isObject(error) || found.length > 30) return found
  for (const name of ["code", "syscall", "name"]) {
    const value = Predicate.hasProperty(error, name) ? error[name] : undefined
    if (Predicate.isString(value)) found.push(value)
  }
  const inner = Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) ? error.errors.slice(0, 8) : []
  for (const next of [Predicate.hasProperty(error, "cause") ? error.cause : undefined, ...inner]) codesOf(next, found)
  return found
}
