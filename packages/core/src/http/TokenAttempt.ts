import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../model/AccessToken.js"
import type { Hop, Send } from "./AuthorizedRequest.js"
import { challengesOf, isDoubtful, type Judges, judge, type Verdict } from "./RejectionCheck.js"
import { canReplay } from "./ReplayableBody.js"
import { isBound, type TokenCarrier } from "./TokenCarrier.js"
import { Refusal } from "./UnauthorizedReason.js"

/** What came of one request with a token, and what its answer says of the token. */
export interface Judged extends Hop {
  readonly verdict: Verdict
}

/** Sends requests that carry a token, and judges the answers. */
export interface TokenAttempt {
  /** One request with this token, and once more where the server wants another nonce in its proof. */
  readonly attempt: (
    request: HttpClientRequest.HttpClientRequest,
    token: AccessToken
  ) => Effect.Effect<Judged, HttpClientError.HttpClientError>
  /** Judges an answer that is there. */
  readonly assess: (hop: Hop) => Effect.Effect<Judged>
}

/** Attempts by way of `send`. */
export const makeAttempt = (send: Send, carrier: TokenCarrier, judges: Judges): TokenAttempt => {
  /** The nonce that each origin wants to see in the next proof. */
  const nonces = new Map<string, string>()

  const attempt: TokenAttempt["attempt"] = (request, token) => {
    if (isBound(token)) return prove(request, token, nonces.get(originOf(request)), true)
    const sent = carrier.write(token, request, undefined)
    return Effect.flatMap(
      Effect.flatMap(sent, (carrying) => send(request, { request: carrying, token })),
      assess
    )
  }

  const prove = (
    request: HttpClientRequest.HttpClientRequest,
    token: AccessToken,
    nonce: string | undefined,
    again: boolean
  ): Effect.Effect<Judged, HttpClientError.HttpClientError> => {
    const origin = originOf(request)
    return carrier.write(token, request, nonce).pipe(
      Effect.flatMap((carrying) => send(request, { request: carrying, token })),
      Effect.flatMap((hop) => {
        const next = hop.response.headers["dpop-nonce"]
        if (next !== undefined) nonces.set(origin, next)
        return assess(hop)
      }),
      Effect.flatMap((judged): Effect.Effect<Judged, HttpClientError.HttpClientError> => {
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

  const assess: TokenAttempt["assess"] = (hop) =>
    hop.carried && isDoubtful(hop.response, judges.rejected)
      ? Effect.map(judge(hop.response, judges), (verdict) => ({ ...hop, verdict }))
      : Effect.succeed({ ...hop, verdict: "accepted" })

  return { attempt, assess }
}

/** Where a request goes; empty where its URL is none. */
export const originOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => "", onSome: ({ origin }) => origin })
