import { randomBytes } from "node:crypto"
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose"
import type { ClientMetadata, ExternalSigningKey, JWK, default as Provider } from "oidc-provider"
import { makeMemoryAdapter } from "./MemoryAdapter.js"

/** The grant of RFC 7523: a signed statement instead of a login. */
export const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

/** The grant of RFC 8693: another token, for another audience, say. */
export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

/** The grant of RFC 8628: a login on a second device. */
export const deviceCode = "urn:ietf:params:oauth:grant-type:device_code"

/** Where a person logs in. */
export const loginPath = "/login/"

/** How oidc-provider words the refusal of a used refresh token. */
export const alreadyUsed = "refresh token already used"

/** How one authorization server behaves. Lifetimes are whole seconds, since that is how it counts. */
export interface Settings {
  readonly port: number
  readonly lifetime: number
  readonly lifetimes: Readonly<Record<string, number>>
  readonly refreshLifetime: number
  readonly replayWindowMillis: number
  readonly rotate: boolean
  readonly dpopNonce: boolean
  readonly clients: ReadonlyArray<ClientMetadata>
}

/** Builds an `oidc-provider` that is quiet, keeps everything in memory, and rotates refresh tokens at each use. */
export const makeProvider = async (issuer: string, settings: Settings): Promise<Provider> => {
  const oidc = await load()
  const lifetimeOf = (client: string) => settings.lifetimes[client] ?? settings.lifetime
  const keys = await generateKeyPair("ES256", { extractable: true })
  const signingKey = { ...(await exportJWK(keys.privateKey)), alg: "ES256", use: "sig" }
  const provider = new oidc.Provider(issuer, {
    adapter: makeMemoryAdapter({
      replayWindow: settings.replayWindowMillis,
      reused: () => new oidc.errors.InvalidGrant(alreadyUsed)
    }),
    clients: [...settings.clients],
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    clientBasedCORS: () => true,
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    jwks: { keys: [signingKey] },
    scopes: ["openid", "offline_access", "read", "write"],
    ttl: {
      AccessToken: (_ctx, _token, client) => lifetimeOf(client.clientId),
      ClientCredentials: (_ctx, _token, client) => lifetimeOf(client.clientId),
      RefreshToken: settings.refreshLifetime,
      IdToken: settings.lifetime,
      Grant: 86_400,
      DeviceCode: 600,
      Session: 86_400,
      Interaction: 600
    },
    rotateRefreshToken: settings.rotate,
    issueRefreshToken: (_ctx, client, code) =>
      client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
    expiresWithSession: () => false,
    findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_ctx, { uid }) => `${loginPath}${uid}` },
    loadExistingGrant: async (ctx) => {
      const { account, client, params, provider } = ctx.oidc
      if (account === undefined || client === undefined) return undefined
      const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId })
      grant.addOIDCScope(typeof params?.scope === "string" ? params.scope : "")
      await grant.save()
      return grant
    },
    renderError: (ctx, out) => {
      ctx.body = out
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => settings.dpopNonce }
    }
  })
  provider.silent = true
  provider.registerGrantType<{ readonly assertion?: string; readonly scope?: string }>(
    jwtBearer,
    async (ctx) => {
      const { client, params } = ctx.oidc
      const verified = await jwtVerify(
        params.assertion ?? "",
        createLocalJWKSet({ keys: (client.jwks?.keys ?? []).map(publicKey) }),
        {
          issuer: client.clientId,
          audience: [issuer, `${issuer}/token`]
        }
      ).catch(() => undefined)
      const account = verified?.payload.sub
      if (account === undefined) throw new oidc.errors.InvalidGrant("assertion not accepted")
      const scope = params.scope ?? "read"
      const grant = new provider.Grant({ accountId: account, clientId: client.clientId })
      grant.addOIDCScope(scope)
      const grantId = await grant.save()
      const token = new provider.AccessToken({ accountId: account, client, grantId, gty: "jwt_bearer", scope })
      ctx.body = {
        access_token: await token.save(),
        expires_in: token.expiration,
        scope,
        token_type: token.tokenType
      }
    },
    ["assertion", "scope"]
  )
  provider.registerGrantType<{ readonly subject_token?: string; readonly scope?: string }>(
    tokenExchange,
    async (ctx) => {
      const { client, params } = ctx.oidc
      const subject = await provider.AccessToken.find(params.subject_token ?? "")
      if (subject === undefined) throw new oidc.errors.InvalidRequest("subject token not accepted")
      const { accountId, grantId } = subject
      const scope = params.scope ?? "read"
      const token = new provider.AccessToken({ accountId, client, grantId, gty: "token_exchange", scope })
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        expires_in: token.expiration,
        scope,
        token_type: token.tokenType
      }
    },
    ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "audience", "scope"]
  )
  return provider
}

const publicKey = ({ alg, crv, e, kid, kty, n, x, y }: JWK | ExternalSigningKey) =>
  Object.fromEntries(Object.entries({ alg, crv, e, kid, kty, n, x, y }).filter(([, value]) => value !== undefined))

// On Node 20 it warns at import that it wants Node 22; all that is used here works on both.
const load = async () => {
  const { warn } = console
  console.warn = () => {}
  try {
    return await import("oidc-provider")
  } finally {
    console.warn = warn
  }
}
