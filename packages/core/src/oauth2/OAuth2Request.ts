import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import { partsOf } from "./Field.js"
import type { TokenRequest } from "./TokenEndpointClient.js"

type Library = typeof OAuth

let loaded: Library | undefined

/** oauth4webapi, loaded by the first source that needs it; from then on it is there at once. */
export const library: Effect.Effect<Library> = Effect.suspend(() => {
  if (loaded !== undefined) return Effect.succeed(loaded)
  return Effect.tap(
    Effect.promise(() => import("oauth4webapi")),
    (module) =>
      Effect.sync(() => {
        loaded = module
      })
  )
})

/** Form fields; those that are `Redacted` are kept out of every error. */
export type Parameters = Readonly<Record<string, string | Redacted.Redacted | undefined>>

/** A request as oauth4webapi builds it. */
export interface Build {
  readonly server: OAuth.AuthorizationServer
  readonly clientId: string
  readonly authentication: OAuth.ClientAuth
  readonly parameters: Parameters
  readonly headers: Parameters
  /** The client's secrets, beside the parameters' own. */
  readonly secrets: ReadonlyArray<string>
}

/** Which request to build. */
export type Kind = (
  oauth: Library,
  build: Build,
  client: OAuth.Client,
  form: URLSearchParams,
  options: OAuth.HttpRequestOptions<"POST", URLSearchParams>
) => Promise<Response>

/** A token request (RFC 6749 section 4). */
export const tokenRequest =
  (grantType: string): Kind =>
  (oauth, { authentication, server }, client, form, options) =>
    oauth.genericTokenEndpointRequest(server, client, authentication, grantType, form, options)

/** A revocation request (RFC 7009 section 2.1). */
export const revocationRequest: Kind = (oauth, { authentication, server }, client, form, options) =>
  oauth.revocationRequest(server, client, authentication, form.get("token") ?? "", {
    ...options,
    additionalParameters: form
  })

/** A device authorization request (RFC 8628 section 3.1). */
export const deviceRequest: Kind = (oauth, { authentication, server }, client, form, options) =>
  oauth.deviceAuthorizationRequest(server, client, authentication, form, options)

type Captured<Method, Body> = OAuth.CustomFetchOptions<Method, Body> & { readonly url: string }

/**
 * The request that `start` makes oauth4webapi send. It checks and builds the request; sending is ours: interruptible,
 * untraced, and lenient about answers. So its `fetch` notes what it is given and never answers.
 */
export const captureRequest = <Method, Body>(
  start: (oauth: Library, options: OAuth.HttpRequestOptions<Method, Body>) => Promise<Response>
): Effect.Effect<Captured<Method, Body>, unknown> =>
  Effect.flatMap(library, (oauth) =>
    Effect.tryPromise(
      () =>
        new Promise<Captured<Method, Body>>((resolve, reject) => {
          start(oauth, {
            [oauth.allowInsecureRequests]: true, // every address was checked before
            [oauth.customFetch]: (url, options) => {
              resolve({ ...options, url })
              return new Promise<never>(() => {})
            }
          }).catch(reject)
        })
    )
  )

/** The request of one kind. */
export const buildRequest = (kind: Kind, build: Build): Effect.Effect<TokenRequest, unknown> => {
  const form = formOf(build.parameters)
  const own = { headers: plainOf(build.headers) }
  return Effect.map(
    captureRequest<"POST", URLSearchParams>((oauth, options) =>
      kind(oauth, build, { client_id: build.clientId }, form, { ...own, ...options })
    ),
    ({ body, headers, method, url }) => ({
      ...{ method, url, headers },
      body: { text: body.toString(), type: "application/x-www-form-urlencoded" },
      secrets: secretsOf(build, body, headers)
    })
  )
}

const formOf = (parameters: Parameters): URLSearchParams => new URLSearchParams(plainOf(parameters))

const plainOf = (parameters: Parameters): Record<string, string> =>
  Object.fromEntries(
    Object.entries(parameters).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Predicate.isString(value) ? value : `${Redacted.value(value)}`]]
    )
  )

const secretsOf = (build: Build, body: URLSearchParams, headers: Readonly<Record<string, string>>) => {
  const given = [...Object.values(build.parameters), ...Object.values(build.headers)].flatMap((value) =>
    value === undefined || Predicate.isString(value) ? [] : partsOf(value)
  )
  const opened = [...build.secrets, ...given].filter((secret) => secret !== "")
  const made = [body.get("client_assertion") ?? "", (headers.authorization ?? "").replace(/^Basic /, "")]
  return [...made, ...opened, ...opened.map(encodeURIComponent)]
}
