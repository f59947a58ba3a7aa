import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { sha256 } from "../transport/SigningKey.js"
import { ANYBODY, type Tokens } from "./FakeAuthority.js"
import type { Grants, Minted } from "./Grants.js"

/** A login that a person was asked for: by a code in an address, or by one that a device shows. */
export interface FakeLogin {
  readonly code: string
  readonly userCode: string
  readonly client: string
  readonly redirectUri: string | undefined
  /** The PKCE challenge, by S256. */
  readonly challenge: string | undefined
  /** Whether the person agreed; undefined while they were not asked. */
  agrees: boolean | undefined
  used: boolean
}

/** One token request, and what it is answered from. */
export interface TokenRequest {
  readonly form: URLSearchParams
  readonly client: string
  /** Whether it proves to have a key (DPoP). */
  readonly isBound: boolean
  readonly logins: ReadonlyMap<string, FakeLogin>
  readonly grants: Grants
  readonly tokensOf: (minted: Minted) => Tokens
}

/** What a token request is answered, as JSON. */
export type TokenAnswer = { readonly error: string } | Readonly<Record<string, string | number | undefined>>

/** Answers a token request (RFC 6749 sections 4 to 6, RFC 7523, RFC 8628, RFC 8693). */
export const answerTokenRequest = (request: TokenRequest): Effect.Effect<TokenAnswer> => {
  const { client, form, grants, logins } = request
  const field = (name: string) => form.get(name) ?? ""
  const grant = (more: TokenAnswer = {}) => Effect.sync(() => ({ ...granted(request, grants.login(client)), ...more }))
  switch (form.get("grant_type")) {
    case "client_credentials":
      return Effect.map(grant(), (answer) => ({ ...answer, refresh_token: undefined }))
    case "refresh_token":
      return Effect.sync(() => {
        const token = grants.refreshTokens.get(field("refresh_token"))
        const owner = token?.family.key === ANYBODY ? ANYBODY : client
        const minted = grants.refresh(owner, field("refresh_token"))
        return minted === "invalid_grant" ? { error: minted } : granted(request, minted)
      })
    case "authorization_code":
      return Effect.flatMap(Effect.orDie(sha256(field("code_verifier"))), (challenge) => {
        const login = logins.get(field("code"))
        const isIts = login?.challenge === challenge && login.redirectUri === field("redirect_uri")
        return isIts ? redeem(login, client, grant()) : refuse("invalid_grant")
      })
    case "urn:ietf:params:oauth:grant-type:device_code":
      return redeem(logins.get(field("device_code")), client, grant())
    case "urn:ietf:params:oauth:grant-type:token-exchange":
      return field("subject_token") === "" || field("subject_token_type") === ""
        ? refuse("invalid_request")
        : grant({ issued_token_type: "urn:ietf:params:oauth:token-type:access_token" })
    case "urn:ietf:params:oauth:grant-type:jwt-bearer":
      return field("assertion").split(".").length === 3 ? grant() : refuse("invalid_grant")
    default:
      return refuse("unsupported_grant_type")
  }
}

/** Tokens for a login that the person agreed to, once. */
const redeem = (
  login: FakeLogin | undefined,
  client: string,
  grant: Effect.Effect<TokenAnswer>
): Effect.Effect<TokenAnswer> =>
  Effect.suspend(() => {
    if (login === undefined || login.client !== client || login.used) return refuse("invalid_grant")
    if (login.agrees !== true) return refuse(login.agrees === false ? "access_denied" : "authorization_pending")
    login.used = true
    return grant
  })

const granted = ({ form, isBound, tokensOf }: TokenRequest, minted: Minted): TokenAnswer => {
  const { accessToken, expiresIn, refreshToken } = tokensOf(minted)
  return {
    access_token: accessToken,
    token_type: isBound ? "DPoP" : "Bearer",
    expires_in: expiresIn && Duration.toSeconds(expiresIn),
    refresh_token: refreshToken,
    scope: form.get("scope") ?? undefined
  }
}

const refuse = (error: string): Effect.Effect<TokenAnswer> => Effect.succeed({ error })
