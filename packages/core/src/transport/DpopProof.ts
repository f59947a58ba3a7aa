import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { InvalidOption } from "../model/TokenError.js"
import { importKey, randomId, sha256, sign } from "./SigningKey.js"

/** One request, as its proof describes it. */
export interface Proven {
  readonly method: string
  readonly url: string
  /** The access token that goes with it, if any. */
  readonly accessToken?: Redacted.Redacted | undefined
  /** The nonce that the server asked for, if it did. */
  readonly nonce?: string | undefined
}

/** Makes the DPoP proof of one request (RFC 9449 section 4.2); no two are the same. */
export type Prover = (request: Proven) => Effect.Effect<string, InvalidOption>

/** Proves with `key`, a private JWK as JSON, which is read once. */
export const prover = (key: Redacted.Redacted): Effect.Effect<Prover, InvalidOption> =>
  Effect.map(importKey("proofKey", { key }), (signing) =>
    Effect.fnUntraced(
      function* ({ accessToken, method, nonce, url }) {
        const { origin, pathname } = yield* Effect.try(() => new URL(url))
        const now = yield* Clock.currentTimeMillis
        const claims = {
          jti: randomId(),
          iat: Math.floor(now / 1000),
          htm: method,
          htu: origin + pathname,
          nonce,
          ath: accessToken === undefined ? undefined : yield* sha256(Redacted.value(accessToken))
        }
        return yield* sign(signing, { typ: "dpop+jwt", jwk: signing.publicJwk, kid: undefined }, claims)
      },
      Effect.mapError(
        () => new InvalidOption({ option: "proofKey", expected: "a private JWK that can sign for an absolute URL" })
      )
    )
  )

/** The proof of one request by `key`. */
export const proof = (key: Redacted.Redacted, request: Proven): Effect.Effect<string, InvalidOption> =>
  Effect.flatMap(prover(key), (prove) => prove(request))
