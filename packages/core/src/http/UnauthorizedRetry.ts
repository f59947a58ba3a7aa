// Longer than 200 lines: one call with all its attempts.

import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AccessToken } from "../model/AccessToken.js"
import { type InvalidOption, type TokenError, TokenRejected } from "../model/TokenError.js"
import type { TokenProvider } from "../provider/TokenProvider.js"
import { prepared } from "../transport/HttpClientInternals.js"
import { TokenUse } from "../transport/TokenMode.js"
import { isAbsolute, resolveOrigins } from "./AllowedOrigins.js"
import { makeCarrier } from "./AuthorizationHeader.js"
import { type Hop, makeSend } from "./AuthorizedRequest.js"
import { TokenResponse } from "./AuthorizedResponse.js"
import { redirected } from "./Redirect.js"
import { challengesOf } from "./RejectionCheck.js"
import type { RepairOptions } from "./RepairOptions.js"
import { canReplay } from "./ReplayableBody.js"
import { type Judged, makeAttempt, originOf } from "./TokenAttempt.js"
import { Refusal } from "./UnauthorizedReason.js"

type HttpError = HttpClientError.HttpClientError
type Request = HttpClientRequest.HttpClientRequest

/** How a client tells what went wrong. */
export type Tell<E> = (error: HttpError | TokenError, request: Request) => E

/** Sends requests with tokens, and repairs rejections. */
export interface Repair<E> {
  /** The header that carries the token, in lower case; empty where the address does. */
  readonly header: string
  readonly client: HttpClient.HttpClient.With<HttpError | E>
  /** One request, as `client` makes it; `how` says what is to differ. */
  readonly send: (request: Request, how: How) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpError | E>
  /** Whether `token` may go to `url`. */
  readonly reaches: (url: string, token: AccessToken) => boolean
  /** `request` as it is `sent` with `token`; undefined where that takes more than a header, or where it gets no token. */
  readonly carrying: (
    request: Request,
    token: AccessToken
  ) => { readonly request: Request; readonly sent: Request } | undefined
}

/** What one call does otherwise. */
export interface How {
  /** Where the first token comes from, if not from the provider's `get`. */
  readonly get?: Effect.Effect<AccessToken, TokenError> | undefined
  /** The first attempt, where it was made already. */
  readonly begun?: Begun | undefined
}

/** An attempt whose request was made by `carrying`. */
export interface Begun {
  readonly token: AccessToken
  /** Without the token. */
  readonly request: Request
  readonly response: HttpClientResponse.HttpClientResponse
  /** Whether a redirect in the answer is left to us. */
  readonly follows: boolean
}

/** `client` with the tokens of `provider` on its requests, and rejections repaired. */
export const makeRepair = <E>(
  client: HttpClient.HttpClient,
  provider: TokenProvider["Type"],
  options: RepairOptions,
  tell: Tell<E>
): Effect.Effect<Repair<E>, InvalidOption> =>
  Effect.gen(function* () {
    const { replaceHeader = false } = options
    const settles = Duration.toMillis(options.settles ?? Duration.zero)
    const origins = yield* resolveOrigins(options)
    const carrier = yield* makeCarrier(options)
    const bare = prepared(client)
    const send = yield* makeSend(bare, carrier, origins)
    const { assess, attempt } = makeAttempt(send, carrier, options)

    /** One request with a valid token; what is refused is repaired as the policy allows. */
    const call = (
      given: Request,
      use: Use,
      { begun, get = provider.get }: How
    ): Effect.Effect<Hop, HttpError | TokenError> => {
      const judged = (token: AccessToken, first: Judged) =>
        first.verdict === "accepted" || (use === "trust" && first.verdict === "rejected")
          ? Effect.succeed(first)
          : repair(first.request, use === "repair", token, first)
      if (begun !== undefined) {
        const { follows, request, token } = begun
        const hop = { request, response: new TokenResponse(begun.response, carrier), carried: true, follows }
        return Effect.flatMap(assess(hop), (first) => judged(token, first))
      }
      return Effect.flatMap(get, (token) => {
        const request = origins.at(given, token)
        if (request !== undefined) return Effect.flatMap(attempt(fit(request), token), (first) => judged(token, first))
        return isAbsolute(given) ? stray(given) : nowhere(given)
      })
    }

    /** Goes on from an answer that was not accepted, and ends with the server's last one. */
    const repair = (
      request: Request,
      repairs: boolean,
      token: AccessToken,
      first: Judged
    ): Effect.Effect<Hop, HttpError | TokenError> => {
      let last = first
      /** The token that `last` is the answer to. */
      let carried = token
      const settle = (token: AccessToken): Effect.Effect<Hop, TokenRejected | HttpError> => {
        const { verdict } = last
        if (verdict === "accepted") return Effect.succeed(last)
        const challenges = challengesOf(last.response)
        if (verdict === "nonce") return refuse(last, Refusal.NonceRequired({ challenges }))
        if (verdict !== "rejected") return refuse(last, verdict)
        if (!repairs) {
          return Effect.zipRight(provider.reject(token), refuse(last, Refusal.WithoutRetry({ challenges })))
        }
        if (canReplay(request.body)) return resend(token)
        const renewed = Effect.zipRight(provider.reject(token), Effect.ignore(provider.get))
        return Effect.zipRight(renewed, refuse(last, Refusal.BodyNotReplayable({ challenges })))
      }
      /** Sends the same token again while it is so new that not each server may know it. */
      const resend = (token: AccessToken): Effect.Effect<Hop, TokenRejected | HttpError> =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const left = token.obtainedAt + settles - now
          // A clock that went back does not make it new for longer.
          if (left <= 0 || left > settles) return new TokenRejected()
          return last.response.discard.pipe(
            Effect.zipRight(Effect.sleep(Math.min(left, Math.max(settles / PAUSES, SHORTEST_PAUSE)))),
            Effect.zipRight(attempt(last.request, token)),
            Effect.flatMap((judged) => {
              last = judged
              return settle(token)
            })
          )
        })
      const again = (current: AccessToken): Effect.Effect<Hop, TokenRejected | HttpError> => {
        const moved = origins.move(last.request, carried, current)
        if (moved === undefined) {
          const challenges = challengesOf(last.response)
          return refuse(last, Refusal.OriginNotDeclared({ origin: originOf(last.request), challenges }))
        }
        return last.response.discard.pipe(
          Effect.zipRight(attempt(moved, current)),
          Effect.flatMap((judged) => {
            last = judged
            carried = current
            return settle(current)
          })
        )
      }
      return settle(token).pipe(
        Effect.catchTag("TokenRejected", () =>
          // It asks for the token again: the one that was refused, or one that came meanwhile and is tried at no cost.
          provider.use((current) => (current === carried ? Effect.fail(new TokenRejected()) : again(current)))
        ),
        Effect.catchTag("Unauthorized", () =>
          refuse(last, Refusal.RetriesSpent({ challenges: challengesOf(last.response) }))
        ),
        Effect.onError(() => last.response.discard)
      )
    }

    let told = false
    /** Says of a 401 that it is no wonder: its request went to an origin that nobody declared, so it had no token. */
    const astray = (request: Request, response: TokenResponse): Effect.Effect<TokenResponse> => {
      const origin = originOf(request)
      response.refusal = Refusal.OriginNotDeclared({ origin, challenges: challengesOf(response) })
      const first = !told
      told = true
      return Effect.as(
        first ? Effect.logWarning(`${origin} answered 401 and got no token: "origins" does not name it`) : Effect.void,
        response
      )
    }

    /** Sends a request without a token. */
    const stray = (request: Request): Effect.Effect<Hop, HttpError> =>
      Effect.tap(send(request, undefined), ({ response }) =>
        response.status === 401 ? astray(request, response) : Effect.void
      )

    /** One request and the redirects it leads to, each judged by its own origin. */
    const visit = (
      request: Request,
      use: Use,
      how: How,
      count: number
    ): Effect.Effect<TokenResponse, HttpError | TokenError> =>
      Effect.flatMap(origins.has(request) ? call(request, use, how) : stray(request), (hop) => {
        const { follows, response } = hop
        response.redirects = count
        if (!follows || response.status < 300 || response.status >= 400) return Effect.succeed(response)
        return Effect.flatMap(redirected(hop.request, response, count), (next) => {
          if (next === undefined) return Effect.succeed(response)
          const target = HttpClientRequest.updateUrl(next, carrier.hide)
          return Effect.zipRight(response.discard, visit(target, use, { get: how.get }, count + 1))
        })
      })

    /** Whether a token may be put into `request`. */
    const isOpen = (request: Request): boolean => origins.has(request) && (replaceHeader || !carrier.isIn(request))

    /** `request` as a token is put into it. */
    const fit = (request: Request): Request => (carrier.isIn(request) ? carrier.strip(request) : request)

    const exchange = (
      given: Request,
      how: How,
      plain: Effect.Effect<HttpClientResponse.HttpClientResponse, HttpError>
    ): ReturnType<Repair<E>["send"]> =>
      Effect.flatMap(TokenUse, (use): ReturnType<Repair<E>["send"]> => {
        const request = origins.resolve(given)
        if (use !== "none" && isOpen(request)) {
          return Effect.mapError(visit(request, use, how, 0), (error) => tell(error, fit(request)))
        }
        const sent = request === given ? plain : bare.execute(request)
        if (use === "none" || carrier.isIn(request)) return sent
        return Effect.flatMap(sent, (response) =>
          response.status === 401 ? astray(request, new TokenResponse(response, carrier)) : Effect.succeed(response)
        )
      })

    return {
      header: carrier.header,
      client: HttpClient.transform(client, (plain, request) => exchange(request, {}, plain)),
      send: (request, how) => exchange(request, how, bare.execute(request)),
      reaches: (url, token) => origins.at(origins.resolve(HttpClientRequest.get(url)), token) !== undefined,
      carrying: (given, token) => {
        const resolved = origins.resolve(given)
        const placed = isOpen(resolved) ? origins.at(resolved, token) : undefined
        const request = placed && fit(placed)
        const sent = request && carrier.set(token, request)
        return request && sent && { request, sent }
      }
    }
  })

const nowhere = (request: Request) =>
  new HttpClientError.RequestError({
    request,
    reason: "InvalidUrl",
    description: 'the token came without an address that "hosts" of "address" matches'
  })

/** What is done with a token that is attached. */
type Use = "repair" | "attach" | "trust"

const refuse = (hop: Hop, refusal: Refusal): Effect.Effect<Hop> => {
  hop.response.refusal = refusal
  return Effect.succeed(hop)
}

/** How often a token is sent while it settles, at most. */
const PAUSES = 8
const SHORTEST_PAUSE = 100
