import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import { checkOptions } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, traitsOf } from "../model/TokenSource.js"
import {
  type Authorization,
  type AuthorizationRequestOptions,
  type LoginOptions,
  makeAuthorizationRequest
} from "./AuthorizationRequest.js"
import { authorizationCodeChecks } from "./GrantChecks.js"
import { makeClient, type RefreshOptions } from "./OAuth2Client.js"
import { inTime } from "./TokenEndpointClient.js"

export type { Authorization, LoginOptions } from "./AuthorizationRequest.js"

/** A source that refreshes, and the way a person gets its first tokens in a browser. */
export interface AuthorizationCode extends TokenSource {
  /** A new address to send the person to, with what `exchange` needs when they come back: keep both in their session. */
  readonly authorize: (login?: LoginOptions) => Effect.Effect<Authorization>
  /**
   * Turns the address that the person came back to into tokens, for the provider's `put`. Checks state and issuer
   * (RFC 9207) first; a person who declined, or an address that answers another request, is a `GrantRejected`.
   */
  readonly exchange: (
    callback: string | URL,
    started: Pick<Authorization, "state" | "verifier">
  ) => Effect.Effect<TokenSet, SourceError>
}

/** What `authorizationCode` takes. */
export interface AuthorizationCodeOptions extends RefreshOptions, Omit<AuthorizationRequestOptions, "clientId"> {}

/**
 * Tokens that a person agrees to in a browser: the authorization code grant (RFC 6749 section 4.1) with PKCE.
 *
 * @example
 * ```ts
 * const login = yield* OAuth2.authorizationCode({
 *   authorizationEndpoint: "https://auth.example.com/authorize",
 *   tokenEndpoint: "https://auth.example.com/token",
 *   clientId: "app",
 *   redirectUri: "https://app.example.com/callback",
 *   scope: "openid offline_access"
 * })
 * const provider = yield* TokenProvider.make({ key: "alice", source: Effect.succeed(login) })
 * const started = yield* login.authorize()
 * // Send the person to started.url, keep started in their session; when they come back:
 * const tokens = yield* login.exchange("https://app.example.com/callback?code=…&state=…", started)
 * yield* provider.put(tokens)
 * ```
 */
export const authorizationCode = (
  options: AuthorizationCodeOptions
): Effect.Effect<AuthorizationCode, InvalidOption, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { pkce = true, redirectUri } = options
    yield* checkOptions(options, authorizationCodeChecks)
    const { grant, identity, refresh, revoke } = yield* makeClient(options)
    const { authorize, codeOf } = yield* makeAuthorizationRequest(options)
    const source = yield* TokenSource.make({ ...traitsOf(options), fenced: true, identity, refresh, revoke })

    const exchange: AuthorizationCode["exchange"] = Effect.fnUntraced(function* (callback, { state, verifier }) {
      const code = yield* codeOf(callback, state)
      const proof = pkce ? { code_verifier: verifier } : {}
      return yield* inTime(grant("authorization_code", { code, redirect_uri: redirectUri, ...proof }))
    })

    return { ...source, authorize, exchange }
  })
