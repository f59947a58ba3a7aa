import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { checkOptions } from "../model/Options.js"
import { clean } from "../model/SafeText.js"
import { GrantRejected, type InvalidOption } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, traitsOf } from "../model/TokenSource.js"
import { randomId, sha256 } from "../transport/SigningKey.js"
import { authorizationCodeChecks } from "./GrantChecks.js"
import { makeClient, type RefreshOptions, scopeText } from "./OAuth2Client.js"
import { library } from "./OAuth2Request.js"
import { endpointOption, inTime } from "./TokenEndpointClient.js"

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

/** What one login asks for beside what all of them do. */
export interface LoginOptions {
  /** The claims that `ReauthorizationRequired` or `ClaimsRequired` named, as JSON (OpenID Connect Core section 5.5). */
  readonly claims?: string | undefined
  /** More parameters of the login page's address, for this person: `login_hint`, `prompt`. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/** One login that a person has been sent to. */
export interface Authorization {
  readonly url: string
  readonly state: string
  /** The PKCE code verifier (RFC 7636). */
  readonly verifier: Redacted.Redacted
}

/** What `authorizationCode` takes. */
export interface AuthorizationCodeOptions extends RefreshOptions {
  /** The login page's address; `OAuth2.discover` gives it. */
  readonly authorizationEndpoint?: string | undefined
  /** Where the person comes back to, as registered. */
  readonly redirectUri: string
  /** More parameters of the login page's address: `prompt`, `access_type`, `audience`. */
  readonly authorizationParameters?: Readonly<Record<string, string>> | undefined
  /** Whether the callback always names the issuer (RFC 9207), as `OAuth2.discover` finds out. */
  readonly issuerInCallback?: boolean | undefined
}

/**
 * Tokens that a person agrees to in a browser: the authorization code grant (RFC 6749 section 4.1) with PKCE, always.
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
    const { clientId, issuer, redirectUri } = options
    yield* checkOptions(options, authorizationCodeChecks)
    const { grant, refresh, revoke } = yield* makeClient(options)
    const page = yield* endpointOption("authorizationEndpoint", options.authorizationEndpoint)
    const source = yield* TokenSource.make({ ...traitsOf(options), fenced: true, refresh, revoke })
    const server = {
      issuer: issuer ?? "unknown",
      authorization_response_iss_parameter_supported: issuer !== undefined && options.issuerInCallback === true
    }

    const authorize = Effect.fnUntraced(function* ({ claims, parameters }: LoginOptions = {}) {
      const state = randomId()
      const verifier = randomId()
      const challenge = yield* Effect.orDie(sha256(verifier))
      const url = new URL(page)
      const fields = {
        ...options.authorizationParameters,
        ...parameters,
        ...(claims === undefined ? {} : { claims }),
        ...{ response_type: "code", client_id: clientId, redirect_uri: redirectUri, scope: scopeText(options.scope) },
        ...{ state, code_challenge: challenge, code_challenge_method: "S256" }
      }
      for (const [name, value] of Object.entries(fields)) if (value !== undefined) url.searchParams.set(name, value)
      return { url: url.href, state, verifier: Redacted.make(verifier) }
    })

    const exchange: AuthorizationCode["exchange"] = Effect.fnUntraced(function* (callback, { state, verifier }) {
      const oauth = yield* library
      const code = yield* Effect.try({
        try: () => {
          const { searchParams } = new URL(callback, redirectUri)
          if (issuer === undefined) searchParams.delete("iss")
          return oauth.validateAuthResponse(server, { client_id: clientId }, searchParams, state).get("code") ?? ""
        },
        catch: (error) =>
          new GrantRejected({
            code: error instanceof oauth.AuthorizationResponseError ? clean(error.error, [], 80) : "invalid_response"
          })
      })
      if (code === "") return yield* new GrantRejected({ code: "invalid_response" })
      return yield* inTime(
        grant("authorization_code", { code: Redacted.make(code), redirect_uri: redirectUri, code_verifier: verifier })
      )
    })

    return { ...source, authorize, exchange }
  })
