import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, type DurationOption, duration, func } from "../model/Options.js"
import { type InvalidOption, type TokenError, TokenRejected } from "../model/TokenError.js"
import type { TokenProvider } from "../provider/TokenProvider.js"
import { prepared } from "../transport/HttpClientInternals.js"
import { TokenUse } from "../transport/TokenMode.js"
import { type OriginOptions, originChecks, resolveOrigins } from "./AllowedOrigins.js"
import { type HeaderOptions, headerChecks, isBound, makeHeader } from "./AuthorizationHeader.js"
import { type Hop, makeSend } from "./AuthorizedRequest.js"
import { TokenResponse } from "./AuthorizedResponse.js"
import { redirected } from "./Redirect.js"
import { type Answer, challengesOf, isDoubtful, judge, type Verdict } from "./RejectionCheck.js"
import { canReplay } from "./ReplayableBody.js"
import { Refusal } from "./UnauthorizedReason.js"

/** What `TokenHttpClient` and `TokenClient` share. */
export interface RepairOptions extends OriginOptions, HeaderOptions {
  /**
   * Finds rejections that are not a 401: a body that says so, a gateway's 404. It adds to the default, which is 401
   * without `insufficient_scope`. It may be called twice for one answer.
   */
  readonly rejected?: ((answer: Answer) => boolean) | undefined
  /**
   * Finds rejections that say nothing of the token: a 401 for a wrong PIN, a locked account. The caller gets them as they
   * are; they cost no refresh and no second request. It may be called twice for one answer.
   */
  readonly accepted?: ((answer: Answer) => boolean) | undefined
  /**
   * How long a new token may take until each server of the API knows it. A refused token that is younger is sent again
   * after a pause, as often as that takes, before it is replaced.
   * @default "0 seconds"
   */
  readonly settles?: DurationOption | undefined
}

/** What each option of both has to be. */
export const repairChecks = {
  ...originChecks,
  ...headerChecks,
  rejected: func("a function from an answer to true or false"),
  accepted: func("a function from an answer to true or false"),
  settles: duration
} satisfies Checks<RepairOptions>

type HttpError = HttpClientError.HttpClientError
type Request = HttpClientRequest.HttpClientRequest

/** How a client tells what went wrong. */
export type Tell<E> = (error: HttpError | TokenError, request: Request) => E

/** `client` with the tokens of `provider` on its requests, and rejections repaired. */
export const makeRepair = <E>(
  client: HttpClient.HttpClient,
  provider: TokenProvider["Type"],
  options: RepairOptions,
  tell: Tell<E>
): Effect.Effect<HttpClient.HttpClient.With<HttpError | E>, InvalidOption> =>
  Effect.gen(function* () {
    const { rejected } = options
    const settles = Duration.toMillis(options.settles ?? Duration.zero)
    const origins = yield* resolveOrigins(options)
    const header = yield* makeHeader(options)
    const bare = prepared(client)
    const send = yield* makeSend(bare, header, origins)
    /** The nonce that each origin wants to see in the next proof. */
    const nonces = new Map<string, string>()

    /** One request with this token, and once more where the server wants another nonce in its proof. */
    const attempt = (request: Request, token: AccessToken): Effect.Effect<Judged, HttpError> => {
      if (isBound(token)) return prove(request, token, nonces.get(originOf(request)), true)
      const sent = Effect.flatMap(header.write(token, request, undefined), (secrets) => send(request, secrets))
      return Effect.flatMap(sent, assess)
    }

    const prove = (
      request: Request,
      token: AccessToken,
      nonce: string | undefined,
      again: boolean
    ): Effect.Effect<Judged, HttpError> => {
      const origin = originOf(request)
      return header.write(token, request, nonce).pipe(
        Effect.flatMap((secrets) => send(request, secrets)),
        Effect.flatMap((hop) => {
          const next = hop.response.headers["dpop-nonce"]
          if (next !== undefined) nonces.set(origin, next)
          return assess(hop)
        }),
        Effect.flatMap((judged): Effect.Effect<Judged, HttpError> => {
          if (judged.verdict !== "nonce") return Effect.succeed(judged)
          const challenges = challengesOf(judged.response)
          // The nonce of this very answer: another answer may have brought an older one meanwhile.
          const asked = judged.response.headers["dpop-nonce"] ?? nonces.get(origin)
          if (!again || asked === nonce) {
            return Effect.succeed({ ...judged, verdict: Refusal.NonceRequired({ challenges }) })
          }
          if (!canReplay(request.body)) {
            return Effect.succeed({ ...judged, verdict: Refusal.BodyNotReplayable({ challenges }) })
          }
          return Effect.zipRight(judged.response.discard, prove(request, token, asked, false))
        })
      )
    }

    const assess = (hop: Hop): Effect.Effect<Judged> =>
      hop.carried && isDoubtful(hop.response, rejected)
        ? Effect.map(judge(hop.response, options), (verdict) => ({ ...hop, verdict }))
        : Effect.succeed({ ...hop, verdict: "accepted" })

    /** One request with a valid token; what is refused is repaired as the policy allows. */
    const call = (request: Request, use: Use): Effect.Effect<Hop, HttpError | TokenError> =>
      Effect.flatMap(provider.get, (token) =>
        Effect.flatMap(attempt(request, token), (first) =>
          first.verdict === "accepted" || (use === "trust" && first.verdict === "rejected")
            ? Effect.succeed(first)
            : repair(request, use === "repair", token, first)
        )
      )

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
            Effect.zipRight(attempt(request, token)),
            Effect.flatMap((judged) => {
              last = judged
              return settle(token)
            })
          )
        })
      return settle(token).pipe(
        Effect.catchTag("TokenRejected", () =>
          // It asks for the token again: the one that was refused, or one that came meanwhile and is tried at no cost.
          provider.use((current) =>
            current === carried
              ? Effect.fail(new TokenRejected())
              : last.response.discard.pipe(
                  Effect.zipRight(attempt(request, current)),
                  Effect.flatMap((judged) => {
                    last = judged
                    carried = current
                    return settle(current)
                  })
                )
          )
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
      Effect.tap(send(request, {}), ({ response }) =>
        response.status === 401 ? astray(request, response) : Effect.void
      )

    /** One request and the redirects it leads to, each judged by its own origin. */
    const visit = (request: Request, use: Use, count: number): Effect.Effect<Response, HttpError | TokenError> =>
      Effect.flatMap(origins.has(request) ? call(request, use) : stray(request), ({ follows, response }) => {
        response.redirects = count
        if (!follows || response.status < 300 || response.status >= 400) return Effect.succeed(response)
        return Effect.flatMap(redirected(request, response, count), (next) =>
          next === undefined ? Effect.succeed(response) : Effect.zipRight(response.discard, visit(next, use, count + 1))
        )
      })

    return HttpClient.transform(client, (plain, given) =>
      Effect.flatMap(TokenUse, (use): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpError | E> => {
        const request = origins.resolve(given)
        const ours = use !== "none" && !(header.name in request.headers) && origins.has(request)
        if (ours) return Effect.mapError(visit(request, use, 0), (error) => tell(error, request))
        const sent = request === given ? plain : bare.execute(request)
        if (use === "none" || header.name in request.headers) return sent
        return Effect.flatMap(sent, (response) =>
          response.status === 401
            ? astray(request, new TokenResponse(response, header.names))
            : Effect.succeed(response)
        )
      })
    )
  })

/** What is done with a token that is attached. */
type Use = "repair" | "attach" | "trust"

interface Judged extends Hop {
  readonly verdict: Verdict
}

type Response = TokenResponse

const refuse = (hop: Hop, refusal: Refusal): Effect.Effect<Hop> => {
  hop.response.refusal = refusal
  return Effect.succeed(hop)
}

/** How often a token is sent while it settles, at most. */
const PAUSES = 8
const SHORTEST_PAUSE = 100

const originOf = (request: Request): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => "", onSome: ({ origin }) => origin })
