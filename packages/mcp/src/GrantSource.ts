import * as HttpClient from "@effect/platform/HttpClient"
import {
  ClientRejected,
  type DurationOption,
  GrantRejected,
  type InvalidOption,
  OAuth2,
  type SourceError,
  TokenEndpointError,
  type TokenSet,
  TokenSource,
  type TokenStoreError
} from "@evertoken/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Client, type LoginStore, type PendingLogin, refusing } from "./LoginStore.js"

/** By which client and where the tokens were got, which is how they are refreshed. It is kept with them and holds no secret. */
const Grant = Schema.Struct({
  issuer: Schema.String,
  clientId: Schema.String,
  authentication: Schema.Literal("basicRaw", "post", "none"),
  tokenEndpoint: Schema.String,
  revocationEndpoint: Schema.optional(Schema.String),
  resource: Schema.optional(Schema.String),
  /** The scope that was asked for. */
  scope: Schema.optional(Schema.String)
})
export type Grant = typeof Grant.Type

/** The grant behind tokens, as their `extra` tells; undefined where they came from elsewhere. */
export const grantOf = (extra: Readonly<Record<string, unknown>>): Grant | undefined =>
  Option.getOrUndefined(decodeGrant(extra.mcp))

/** The grant that `login` leads to. */
export const grantAfter = ({ client, discovery, resource, scope }: PendingLogin): Grant | undefined => {
  if (discovery === undefined) return undefined
  const { authorizationServerMetadata: metadata, authorizationServerUrl } = discovery
  return {
    issuer: metadata?.issuer ?? authorizationServerUrl,
    clientId: client.client_id,
    authentication: authenticationOf(client, metadata?.token_endpoint_auth_methods_supported ?? []),
    tokenEndpoint: metadata?.token_endpoint ?? new URL("/token", authorizationServerUrl).href,
    revocationEndpoint: metadata?.revocation_endpoint,
    resource,
    scope
  }
}

/**
 * Refreshes tokens by the client that got them. `client` is the one that was registered by hand; the secrets of others
 * are among what `logins` keeps.
 */
export const grantSource = (
  logins: LoginStore,
  client: Client | undefined,
  replayWindow: DurationOption | undefined
): Effect.Effect<TokenSource, InvalidOption, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (http) => {
    const secretOf = Effect.fnUntraced(function* ({ authentication, clientId }: Grant) {
      if (authentication === "none") return undefined
      const clients = client?.client_id === clientId ? [client] : (yield* Effect.mapError(logins.read, passing)).clients
      const secret = clients.find(({ client_id }) => client_id === clientId)?.client_secret
      return secret === undefined ? yield* new ClientRejected({ code: "no_client_secret" }) : Redacted.make(secret)
    })
    const sourceOf = Effect.fnUntraced(function* ({ extra }: TokenSet) {
      const grant = grantOf(extra)
      // Tokens that no login brought: nobody knows who may refresh them, and where.
      if (grant === undefined) return yield* new GrantRejected({ code: "unknown_client" })
      const { authentication, clientId, resource, revocationEndpoint, tokenEndpoint } = grant
      const source = yield* OAuth2.refreshToken({
        ...{ clientId, tokenEndpoint, revocationEndpoint, clientAuthentication: authentication },
        ...(authentication === "none" ? {} : { clientSecret: yield* secretOf(grant) }),
        ...(resource === undefined ? {} : { parameters: { resource } })
      }).pipe(
        Effect.provideService(HttpClient.HttpClient, http),
        Effect.catchTag("InvalidOption", ({ message }) => new ClientRejected({ code: "metadata", detail: message }))
      )
      return { source, clientId }
    })
    /** The next login registers another client; that this one is kept lets it heal. */
    const mark = (id: string) => (error: SourceError) =>
      error._tag === "ClientRejected" && isUnknown(error.code)
        ? Effect.ignore(logins.update((state) => refusing(state, id)))
        : Effect.void
    return TokenSource.make({
      fenced: true,
      replayWindow,
      refresh: (current, newer) =>
        Effect.flatMap(sourceOf(current), ({ clientId, source }) =>
          source.refresh === undefined
            ? new GrantRejected({ code: "unknown_client" })
            : Effect.tapError(source.refresh(current, newer), mark(clientId))
        ),
      revoke: (tokens) => Effect.flatMap(sourceOf(tokens), ({ source }) => source.revoke?.(tokens) ?? Effect.void)
    })
  })

/** Whether an error says that the authorization server does not know the client, or not any more. */
export const isUnknown = (code: string): boolean => code === "invalid_client" || code === "unauthorized_client"

const decodeGrant = Schema.decodeUnknownOption(Grant)

const passing = ({ message }: TokenStoreError) => new TokenEndpointError({ reason: "unreachable", detail: message })

/** How the SDKs show the secret of `client`, since that is what brought the tokens. */
const authenticationOf = (client: Client, supported: ReadonlyArray<string>): Grant["authentication"] => {
  if (client.client_secret === undefined) return "none"
  const can = (method: Method) => supported.length === 0 || supported.includes(method)
  const registered = METHODS.find((method) => method === client.token_endpoint_auth_method)
  return AUTHENTICATION[registered && can(registered) ? registered : (METHODS.find(can) ?? "client_secret_post")]
}

const METHODS = ["client_secret_basic", "client_secret_post", "none"] as const
type Method = (typeof METHODS)[number]
const AUTHENTICATION = { client_secret_basic: "basicRaw", client_secret_post: "post", none: "none" } as const
