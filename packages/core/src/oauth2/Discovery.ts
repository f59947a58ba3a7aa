import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import { type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import type { SourceError } from "../model/TokenSource.js"
import { accept } from "./ErrorResponse.js"
import { captureRequest, library } from "./OAuth2Request.js"
import { endpointOption, inTime, makeSend, type TokenRequest } from "./TokenEndpointClient.js"

/** What an authorization server says about itself, under the names that the options here have: spread it into them. */
export interface Endpoints {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly authorizationEndpoint?: string | undefined
  readonly deviceAuthorizationEndpoint?: string | undefined
  readonly revocationEndpoint?: string | undefined
  readonly issuerInCallback?: boolean | undefined
}

/**
 * Asks an issuer for its endpoints: by OpenID Connect Discovery, else by RFC 8414. What names another issuer is not believed.
 *
 * @example
 * ```ts
 * const source = Effect.flatMap(OAuth2.discover("https://auth.example.com"), (server) =>
 *   OAuth2.clientCredentials({ ...server, clientId: "app", clientSecret: Redacted.make("…") })
 * )
 * ```
 */
export const discover = (
  issuer: string
): Effect.Effect<Endpoints, InvalidOption | SourceError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const identifier = yield* endpointOption("issuer", issuer)
    const send = yield* makeSend
    const ask = (algorithm: "oidc" | "oauth2") =>
      Effect.flatMap(
        Effect.mapError(requestOf(identifier, algorithm), () => unreadable("no address for metadata")),
        send
      )
    const oidc = yield* ask("oidc")
    const answer = oidc.status >= 400 && oidc.status < 500 ? yield* ask("oauth2") : oidc
    yield* accept(answer, {})
    const oauth = yield* library
    const found = yield* Effect.tryPromise({
      try: () => oauth.processDiscoveryResponse(identifier, Response.json(answer.body ?? null)),
      catch: () => unreadable(`no metadata of this issuer, at ${answer.from}`)
    })
    if (found.token_endpoint === undefined)
      return yield* unreadable(`the metadata name no token endpoint, at ${answer.from}`)
    return {
      issuer: found.issuer,
      tokenEndpoint: found.token_endpoint,
      authorizationEndpoint: found.authorization_endpoint,
      deviceAuthorizationEndpoint: found.device_authorization_endpoint,
      revocationEndpoint: found.revocation_endpoint,
      issuerInCallback: found.authorization_response_iss_parameter_supported
    }
  }).pipe(inTime)

const requestOf = (issuer: URL, algorithm: "oidc" | "oauth2"): Effect.Effect<TokenRequest, unknown> =>
  Effect.map(
    captureRequest<"GET", undefined>((oauth, options) => oauth.discoveryRequest(issuer, { ...options, algorithm })),
    ({ headers, method, url }) => ({ method, url, headers, secrets: [] })
  )

const unreadable = (detail: string) => new TokenEndpointError({ reason: "unreadable", detail })
