import { Effect, Predicate, Redacted } from "effect"
import * as OAuth from "oauth4webapi"
import type { TokenRequest } from "./TokenEndpointClient.js"

/** Form fields; those that are `Redacted` are kept out of every error. */
export type Parameters = Readonly<Record<string, string | Redacted.Redacted | undefined>>

/** A request as oauth4webapi builds it. */
export interface Build {
  readonly server: OAuth.AuthorizationServer
  readonly clientId: string
  readonly authentication: OAuth.ClientAuth
  readonly parameters: Parameters
  readonly headers: Readonly<Record<string, string>> | undefined
  /** The client's secrets, beside the parameters' own. */
  readonly secrets: ReadonlyArray<Redacted.Redacted | undefined>
}

/** Which request to build. */
export type Kind = (
  build: Build,
  client: OAuth.Client,
  form: URLSearchParams,
  options: OAuth.HttpRequestOptions<"POST", URLSearchParams>
) => Promise<Response>

/** A token request (RFC 6749 section 4). */
export const tokenRequest =
  (grantType: string): Kind =>
  ({ authentication, server }, client, form, options) =>
    OAuth.genericTokenEndpointRequest(server, client, authentication, grantType, form, options)

/** A revocation request (RFC 7009 section 2.1). */
export const revocationRequest: Kind = ({ authentication, server }, client, form, options) =>
  OAuth.revocationRequest(server, client, authentication, form.get("token") ?? "", {
    ...options,
    additionalParameters: form
  })

/** A device authorization request (RFC 8628 section 3.1). */
export const deviceRequest: Kind = ({ authentication, server }, client, form, options) =>
  OAuth.deviceAuthorizationRequest(server, client, authentication, form, options)

/** The request that oauth4webapi would send. Sending is ours: interruptible, untraced, and lenient about answers. */
export const buildRequest = (kind: Kind, build: Build): Effect.Effect<TokenRequest, unknown> =>
  Effect.tryPromise(
    () =>
      new Promise<TokenRequest>((resolve, reject) => {
        const form = formOf(build.parameters)
        kind(build, { client_id: build.clientId }, form, {
          ...(build.headers === undefined ? {} : { headers: { ...build.headers } }),
          [OAuth.allowInsecureRequests]: true, // every endpoint was checked before
          [OAuth.customFetch]: (url, { body, headers, method }) => {
            resolve({
              method,
              url,
              headers,
              body: { text: body.toString(), type: "application/x-www-form-urlencoded" },
              secrets: secretsOf(build, body, headers)
            })
            return new Promise<never>(() => {})
          }
        }).catch(reject)
      })
  )

const formOf = (parameters: Parameters): URLSearchParams => {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) form.set(name, Predicate.isString(value) ? value : Redacted.value(value))
  }
  return form
}

const secretsOf = (build: Build, body: URLSearchParams, headers: Readonly<Record<string, string>>) => {
  const opened = [...build.secrets, ...Object.values(build.parameters)].flatMap((value) =>
    value === undefined || Predicate.isString(value) ? [] : [`${Redacted.value(value)}`]
  )
  const made = [body.get("client_assertion") ?? "", (headers.authorization ?? "").replace(/^Basic /, "")]
  return [...made, ...opened, ...opened.map(encodeURIComponent)]
}
