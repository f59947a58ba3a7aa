import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Effect from "effect/Effect"
import type { AccessToken } from "../model/AccessToken.js"

type Request = HttpClientRequest.HttpClientRequest

/** Writes tokens into requests. */
export interface TokenCarrier {
  /** The header that carries the token, in lower case; empty where the address does. */
  readonly header: string
  /** All headers that are ours, in lower case. */
  readonly headers: ReadonlyArray<string>
  /** Whether `request` has such a header or parameter already. */
  readonly isIn: (request: Request) => boolean
  /** `request` without what carries a token. */
  readonly strip: (request: Request) => Request
  /** An address without what carries a token. */
  readonly hide: (url: string) => string
  /** `request` with the token; a proof of possession is made anew for each. */
  readonly write: (
    token: AccessToken,
    request: Request,
    nonce: string | undefined
  ) => Effect.Effect<Request, HttpClientError.RequestError>
  /** The same where that is all it takes: not for a bound token, nor one that cannot be written or that no caller may see. */
  readonly set: (token: AccessToken, request: Request) => Request | undefined
}

/** Whether requests with this token carry a proof of possession (RFC 9449). */
export const isBound = (token: AccessToken): boolean => token.type.toLowerCase() === "dpop"
