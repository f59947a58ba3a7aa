import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { fence } from "../model/Fence.js"
import { required } from "../model/Options.js"
import { clean } from "../model/SafeText.js"
import { type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { within } from "../model/Within.js"
import { DirectHttpClient, REDIRECTED, REPEATED, TOO_LARGE } from "../transport/DirectHttpClient.js"
import { endpoint, safeUrl } from "../transport/SafeUrl.js"
import { parseJson } from "./JsonPath.js"

/** One request to a token endpoint, and the secrets in it that no error may repeat. */
export interface TokenRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
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
  /** The body as it came, but for a byte order mark. */
  readonly text: string
  /** When it was read, in epoch milliseconds. */
  readonly now: number
  /** Whom it came from: host and path, fit for an error. */
  readonly from: string
  readonly secrets: ReadonlyArray<string>
}

/** Sends one request, once. */
export type Send = (request: TokenRequest) => Effect.Effect<Answer, TokenEndpointError>

/**
 * Sends over the caller's `HttpClient`, once: see `DirectHttpClient`. Interrupting it aborts the request.
 */
export const makeSend: Effect.Effect<Send, InvalidOption, HttpClient.HttpClient> = Effect.map(
  DirectHttpClient.make,
  (client): Send =>
    Effect.fnUntraced(
      function* ({ body, headers, method, secrets, url }) {
        const plain = HttpClientRequest.make(method)(url, { headers })
        const request = body === undefined ? plain : HttpClientRequest.bodyText(plain, body.text, body.type)
        const response = yield* client
          .execute(request)
          .pipe(
            Effect.catchTag("ResponseError", (error) =>
              error.reason === "StatusCode" ? Effect.succeed(error.response) : Effect.fail(error)
            )
          )
        const text = (yield* response.text).replace(/^\uFEFF/, "")
        return {
          ...{ status: response.status, headers: response.headers },
          ...{ text, body: parse(text) },
          now: yield* Clock.currentTimeMillis,
          from: placeOf(url, secrets),
          secrets
        }
      },
      (effect, { secrets, url }) =>
        Effect.zipRight(fence, Effect.mapError(effect, toTokenEndpointError(placeOf(url, secrets))))
    )
)

/** Bounds a request that no provider bounds. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | TokenEndpointError, R> =>
  within("30 seconds", () => new TokenEndpointError({ reason: "timeout" }))(effect)

/** An endpoint's URL, or the error that names the option: `https`, or `http` on the loopback, without credentials in it. */
export const endpointOption = (option: string, value: unknown): Effect.Effect<URL, InvalidOption> =>
  Effect.suspend(() => required(endpoint)(value, option) ?? Effect.orDie(safeUrl(value)))

const parse = (text: string): unknown =>
  Option.getOrElse(parseJson(text), () =>
    /^[\w.%-]+=[^\s<>{}"]*$/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : text || undefined
  )

/** Host and path of an address, without user, query, or what looks like a secret. */
export const placeOf = (address: string, secrets: ReadonlyArray<string>, base?: string): string =>
  Option.match(parseUrl(address, base), {
    onNone: () => "an address that is none",
    onSome: ({ host, pathname }) => {
      const path = pathname.split("/").map((part) => (/^(?=.*\d).{16,}$/.test(part) ? "***" : clean(part, secrets, 60)))
      return `${host}${path.join("/").slice(0, 120)}`
    }
  })

const parseUrl = Option.liftThrowable((address: string, base?: string) => new URL(address, base))

// Only the names and codes of a transport error are looked at: its text may hold the URL.
const toTokenEndpointError =
  (place: string) =>
  (error: HttpClientError.HttpClientError): TokenEndpointError => {
    const status = error._tag === "ResponseError" ? error.response.status : undefined
    const told = (reason: TokenEndpointError["reason"], detail?: string) =>
      new TokenEndpointError({
        reason,
        status,
        detail: detail === undefined ? `at ${place}` : `${detail}, at ${place}`
      })
    switch (error.description) {
      case TOO_LARGE:
        return told("unreadable", TOO_LARGE)
      case REDIRECTED:
        return told("unavailable", REDIRECTED)
      case REPEATED:
        return told("disconnected", REPEATED)
    }
    const codes = codesOf(error, [])
    const find = (pattern: RegExp) => codes.find((code) => pattern.test(code))
    const sent = error._tag === "ResponseError"
    const unsent = sent ? undefined : (find(UNSENT) ?? (error.reason === "Transport" ? undefined : error.reason))
    if (unsent !== undefined) return told("unreachable", unsent)
    const late = find(TIMEOUT)
    return late === undefined ? told("disconnected", find(/^[A-Z][A-Z_\d]+$/)) : told("timeout", late)
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
