// transport/: What oauth2/ and http/ share about HTTP: direct requests, URLs, DPoP proofs.
// May import model/.
// Must not know of grants, and what a 401 means.

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { service } from "../model/Options.js"
import { initOf, prepared } from "./HttpClientInternals.js"
import { TokenUse } from "./TokenMode.js"

/** Constructors of HTTP clients for requests that carry a secret of their own, such as a source's. */
export const DirectHttpClient = {
  /**
   * The client of the context for requests to one server that must get there once and whose answer must come from it:
   * no redirect is followed, nothing is sent a second time by a layer below, no token of a `TokenHttpClient` is
   * attached, no span shows the request, and an answer is read to its end inside the call, one MiB at most. What goes
   * against that is an `HttpClientError` whose `description` says it.
   *
   * @example
   * ```ts
   * const client = yield* DirectHttpClient.make
   * const source = TokenSource.make({
   *   login: client.post("https://auth.example.com/session").pipe(
   *     Effect.flatMap((response) => response.json),
   *     Effect.map((body) => TokenSet.make({ accessToken: String(Object(body).token), expiresIn: "1 hour" })),
   *     Effect.mapError(() => new TokenEndpointError({ reason: "unavailable" }))
   *   )
   * })
   * ```
   */
  make: Effect.gen(function* () {
    const given = yield* httpClient
    const init = Option.getOrElse(yield* Effect.serviceOption(FetchHttpClient.RequestInit), () => ({}))
    const own = yield* initOf(prepared(given))
    return given.pipe(
      HttpClient.transformResponse(once),
      HttpClient.transformResponse(
        Effect.provideService(FetchHttpClient.RequestInit, { ...own, ...init, redirect: "manual" })
      ),
      HttpClient.transformResponse(Effect.provideService(TokenUse, "none")),
      HttpClient.transformResponse(Effect.flatMap(bounded))
    )
  })
}

/** The client of the context. */
export const httpClient = service(HttpClient.HttpClient, "a layer below that gives it, such as FetchHttpClient.layer")

/** Why an answer was not read. */
export const TOO_LARGE = "the answer is larger than 1 MiB"
/** Why a second request was not sent. */
export const REDIRECTED = "a redirect, which the HttpClient wanted to follow"
/** Why a second request was not sent. */
export const REPEATED = "the HttpClient wanted to send it again; give the source one without retries"

type Response = HttpClientResponse.HttpClientResponse
type Sending = Effect.Effect<Response, HttpClientError.HttpClientError>

/**
 * Refuses each request but the first. The predicate is the one place below every other layer that sees each request
 * before it leaves, and a defect is what no layer tries again.
 */
const once = (sending: Sending): Sending =>
  Effect.suspend(() => {
    let first: string | undefined
    const watch = (actual: HttpClientRequest.HttpClientRequest) => {
      const url = urlOf(actual)
      if (first !== undefined) throw new Second(actual, url === first ? REPEATED : REDIRECTED)
      first = url
      return true
    }
    return sending.pipe(
      Effect.locally(HttpClient.currentTracerDisabledWhen, watch),
      Effect.locally(FiberRef.currentTracerEnabled, true),
      Effect.catchSomeDefect((defect) =>
        defect instanceof Second
          ? Option.some(
              new HttpClientError.RequestError({
                request: HttpClientRequest.make(defect.request.method)(""),
                reason: "Transport",
                description: defect.why
              })
            )
          : Option.none()
      )
    )
  })

class Second {
  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    readonly why: string
  ) {}
}

const urlOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: ({ href }) => href })

/** `response` with its body in memory. */
const bounded = (response: Response): Effect.Effect<Response, HttpClientError.ResponseError> =>
  Effect.suspend(() => {
    const { headers, request, status } = response
    const chunks: Array<Uint8Array<ArrayBuffer>> = []
    return response.stream.pipe(
      Stream.runFoldWhile(
        0,
        (size) => size <= LARGEST,
        (size, chunk) => {
          chunks.push(new Uint8Array(chunk))
          return size + chunk.length
        }
      ),
      Effect.catchIf(
        ({ reason }) => reason === "EmptyBody",
        () => Effect.succeed(0)
      ),
      Effect.flatMap((size) => {
        if (size > LARGEST) {
          return new HttpClientError.ResponseError({ request, response, reason: "Decode", description: TOO_LARGE })
        }
        // A server may answer with a status that no `Response` can be made with.
        const web = Object.defineProperty(new Response(new Blob(chunks), { headers }), "status", { value: status })
        return Effect.succeed(HttpClientResponse.fromWeb(request, web))
      })
    )
  })

const LARGEST = 1024 * 1024
