import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { clean } from "../model/SafeText.js"
import { GrantRejected, type InvalidOption } from "../model/TokenError.js"
import { randomId, sha256 } from "../transport/SigningKey.js"
import { scopeText } from "./OAuth2Client.js"
import { library } from "./OAuth2Request.js"
import { endpointOption } from "./TokenEndpointClient.js"

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

/** What a login page is asked. */
export interface AuthorizationRequestOptions {
  readonly clientId: string
  readonly scope?: string | ReadonlyArray<string> | undefined
  /** The issuer identifier, as `OAuth2.discover` gives it. */
  readonly issuer?: string | undefined
  /** The login page's address; `OAuth2.discover` gives it. */
  readonly authorizationEndpoint?: string | undefined
  /** Where the person comes back to, as registered. */
  readonly redirectUri: string
  /** More parameters of the login page's address: `prompt`, `access_type`, `audience`. */
  readonly authorizationParameters?: Readonly<Record<string, string>> | undefined
  /** Whether the callback always names the issuer (RFC 9207), as `OAuth2.discover` finds out. */
  readonly issuerInCallback?: boolean | undefined
  /**
   * Whether the login is bound to this program by PKCE (RFC 7636). `false` is for servers that refuse a `code_verifier`.
   * @default true
   */
  readonly pkce?: boolean | undefined
}

/** The first half of the grant (RFC 6749 section 4.1): to the login page and back. */
export interface AuthorizationRequest {
  readonly authorize: (login?: LoginOptions) => Effect.Effect<Authorization>
  /** The code in the address that the person came back to, once its state and issuer are right. */
  readonly codeOf: (callback: string | URL, state: string) => Effect.Effect<Redacted.Redacted, GrantRejected>
}

/** `clientIdName` is what the server calls the `client_id`. */
export const makeAuthorizationRequest = (
  options: AuthorizationRequestOptions,
  clientIdName = "client_id"
): Effect.Effect<AuthorizationRequest, InvalidOption> =>
  Effect.gen(function* () {
    const { clientId, issuer, pkce = true, redirectUri } = options
    const page = yield* endpointOption("authorizationEndpoint", options.authorizationEndpoint)
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
        ...{ response_type: "code", [clientIdName]: clientId, redirect_uri: redirectUri },
        ...{ scope: scopeText(options.scope), state },
        ...(pkce ? { code_challenge: challenge, code_challenge_method: "S256" } : {})
      }
      for (const [name, value] of Object.entries(fields)) if (value !== undefined) url.searchParams.set(name, value)
      return { url: url.href, state, verifier: Redacted.make(verifier) }
    })

    const codeOf: AuthorizationRequest["codeOf"] = Effect.fnUntraced(function* (callback, state) {
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
      return code === "" ? yield* new GrantRejected({ code: "invalid_response" }) : Redacted.make(code)
    })

    return { authorize, codeOf }
  })
