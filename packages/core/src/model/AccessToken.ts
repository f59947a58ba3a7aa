import * as Data from "effect/Data"
import type * as Redacted from "effect/Redacted"
import { NO_TEXT } from "./Secret.js"
import type { TokenSet } from "./TokenSet.js"

/** What a caller is handed: enough to make a request, and never the refresh token. */
export class AccessToken extends Data.Class<{
  /** The token itself: `Redacted.value` opens it. Put into a text, it throws `SecretInText`. */
  readonly value: Redacted.Redacted
  /** The scheme it goes by in `Authorization`: `Bearer`, `DPoP`, or what the source declares. */
  readonly type: string
  /** When it was asked for, in epoch milliseconds. */
  readonly obtainedAt: number
  /** When it ends, in epoch milliseconds; undefined where nobody said. */
  readonly expiresAt: number | undefined
  readonly scopes: ReadonlyArray<string>
  /** What else the token endpoint said that callers need: an instance URL, an account id. */
  readonly extra: Readonly<Record<string, unknown>>
  /** The private JWK, as JSON, that proves possession of a DPoP-bound token (RFC 9449). */
  readonly proofKey: Redacted.Redacted | undefined
  /** Counts the token sets kept under the key. Tokens are told apart by this, never by reading the secret. */
  readonly generation: number
}> {
  /** The access token of `tokens`, kept as `generation`. */
  static readonly of = (tokens: TokenSet, generation: number): AccessToken =>
    new AccessToken({
      value: tokens.accessToken,
      type: tokens.tokenType,
      obtainedAt: tokens.obtainedAt ?? 0,
      expiresAt: tokens.expiresAt,
      scopes: tokens.scopes ?? [],
      extra: tokens.extra,
      proofKey: tokens.proofKey,
      generation
    })

  static {
    Object.defineProperties(AccessToken.prototype, NO_TEXT)
  }
}
