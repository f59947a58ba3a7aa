// Longer than 200 lines: an SDK's interface, whose members share the login that is under way.

import { type AccessToken, type TokenClient, TokenSet } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { grantAfter, grantOf } from "./GrantSource.js"
import { LoginFailed, TokenReplaced } from "./LoginError.js"
import { type Client, isSame, type LoginStore, type PendingLogin, refusing, withClient } from "./LoginStore.js"
import { needsLogin } from "./McpFetch.js"
import type { DiscoveryState, Login, OAuthClientProvider } from "./OAuthClientProvider.js"

/** What the provider of a login stands on. */
export interface LoginProviderOptions {
  readonly key: string
  readonly tokens: TokenClient
  readonly logins: LoginStore
  readonly login: Login
  /** The client that was registered by hand, if one was. */
  readonly client: Client | undefined
  /** Runs an effect on what is kept, once that is open. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  /** Whether the newest token was refused too, so that only a login helps. */
  readonly refused: { spent: boolean }
}

/** A provider that MCP SDKs log in by, and how it finds the login that a browser comes back from. */
export interface LoginProvider {
  readonly provider: OAuthClientProvider
  readonly callback: (params: URLSearchParams) => Promise<Callback>
}

/** What came back from a login page. */
export interface Callback {
  /** For `finishAuth` of `@modelcontextprotocol/sdk`. */
  readonly code: string
  /** For `finishAuth` of `@modelcontextprotocol/client`. */
  readonly params: URLSearchParams
}

/** Discovery and registration are the SDK's; this keeps what they bring, and refreshing is the token client's alone. */
export const makeLoginProvider = (options: LoginProviderOptions): LoginProvider => {
  const { client: registered, key, login, logins, refused, run, tokens } = options
  /** The login that the browser came back from, or the one that this process sent it to last. */
  let current: PendingLogin | undefined
  let given: AccessToken | undefined
  /** The generation that took the place of a refused one. */
  let replacedBy: number | undefined
  let discovered: DiscoveryState | undefined
  /** What the SDK made for the next login page, by the challenge that the page's address will have. */
  const verifiers = new Map<string, string>()
  const clients = new Map<string, Client>()

  const known = <A extends Client | undefined>(client: A): A => {
    if (client !== undefined) clients.set(client.client_id, client)
    return client
  }

  /** The login under way: this process's own, else the one that another process began last. */
  const underWay = async (): Promise<PendingLogin | undefined> => {
    const now = await run(Clock.currentTimeMillis)
    if (current !== undefined && current.startedAt > now - LOGIN_TIME) return current
    const { logins: all } = await run(logins.read)
    return all.find(({ startedAt }) => startedAt > now - LOGIN_TIME)
  }

  /** A refused token is replaced before anybody is sent to a login page, unless more scopes are wanted than it has. */
  const replace = async (scope: string | null): Promise<void> => {
    const token = given
    if (token === undefined || refused.spent || replacedBy === token.generation) return
    const has = [...token.scopes, ...(grantOf(token.extra)?.scope?.split(" ") ?? [])]
    if (scope?.split(" ").some((one) => !has.includes(one))) return
    await tokens.reject(token)
    const newer = await tokens.get().catch(needsLogin)
    if (newer === undefined || newer.generation === token.generation) return
    replacedBy = newer.generation
    throw new TokenReplaced({ key })
  }

  const drop = async (id: string | undefined) => {
    current = undefined
    if (id !== undefined) await run(logins.update((state) => refusing(state, id)))
  }

  const provider: OAuthClientProvider = {
    get redirectUrl() {
      return login.redirectUrl ?? ""
    },
    get clientMetadata() {
      return login.clientMetadata
    },
    ...(login.clientMetadataUrl === undefined ? {} : { clientMetadataUrl: login.clientMetadataUrl }),
    state: async () => (await login.state?.()) ?? Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(24))),
    clientInformation: async () => {
      if (registered !== undefined) return known(registered)
      if (current !== undefined) return current.client
      const { clients: kept } = await run(logins.read)
      return known(kept.find(({ refused }) => refused !== true))
    },
    ...(registered === undefined
      ? { saveClientInformation: (client: Client) => run(logins.update((state) => withClient(state, known(client)))) }
      : {}),
    tokens: async () => {
      const token = await tokens.get().catch(needsLogin)
      given = token
      return token && tokensOf(token, await run(Clock.currentTimeMillis))
    },
    saveTokens: async (saved) => {
      // An SDK also saves what it just read, to add the issuer: that brings nothing, and it has no refresh token.
      if (saved.refresh_token === undefined && given && `${Redacted.value(given.value)}` === saved.access_token) return
      const ended = await underWay()
      if (ended !== undefined) {
        await run(
          logins.update((state) => ({
            ...(registered === undefined ? withClient(state, ended.client) : state),
            logins: state.logins.filter((one) => !isSame(one, ended))
          }))
        )
      }
      await tokens.put(
        TokenSet.make({
          accessToken: saved.access_token,
          tokenType: saved.token_type,
          refreshToken: saved.refresh_token,
          expiresIn: saved.expires_in === undefined ? undefined : Duration.seconds(saved.expires_in),
          scopes: (saved.scope ?? ended?.scope)?.split(" "),
          extra: { mcp: ended && grantAfter(ended) }
        })
      )
      current = undefined
      refused.spent = false
    },
    redirectToAuthorization: async (url) => {
      await replace(url.searchParams.get("scope"))
      const begun = await beginning(url)
      await run(logins.update((state) => ({ ...state, logins: [begun, ...state.logins] })))
      current = begun
      refused.spent = false
      await login.redirectToAuthorization(url)
    },
    saveCodeVerifier: async (verifier) => void verifiers.set(await challengeOf(verifier), verifier),
    codeVerifier: async () => {
      const login = await underWay()
      if (login === undefined) throw new LoginFailed({ key, reason: "unknown" })
      return login.verifier
    },
    invalidateCredentials: async (scope) => {
      if (scope === "discovery") discovered = undefined
      if (scope === "verifier") current = undefined
      if (scope === "all" || scope === "client") await drop(current?.client.client_id ?? [...clients.keys()].at(-1))
      // What it was refused for may be this process's token only: another process may have fetched a newer one.
      if ((scope === "all" || scope === "tokens") && given !== undefined) await tokens.reject(given)
    },
    saveDiscoveryState: async (state) => {
      discovered = state
    },
    discoveryState: async () => (await underWay())?.discovery
  }

  const beginning = async (url: URL): Promise<PendingLogin> => {
    const parameter = (name: string) => url.searchParams.get(name) ?? undefined
    const challenge = parameter("code_challenge") ?? ""
    const verifier = verifiers.get(challenge) ?? [...verifiers.values()].at(-1) ?? ""
    verifiers.delete(challenge)
    const id = parameter("client_id") ?? ""
    return {
      startedAt: await run(Clock.currentTimeMillis),
      ...{ verifier, state: parameter("state"), scope: parameter("scope"), resource: parameter("resource") },
      client: clients.get(id) ?? { client_id: id },
      discovery: discovered ?? (await underWay())?.discovery
    }
  }

  return {
    provider,
    callback: async (params) => {
      const state = params.get("state") ?? undefined
      const { logins: all } = await run(logins.read)
      const begun = all.find((login) => login.state === state)
      if (begun === undefined) throw new LoginFailed({ key, reason: "unknown" })
      const issuer = grantAfter(begun)?.issuer
      if (params.has("iss") && params.get("iss") !== issuer) throw new LoginFailed({ key, reason: "issuer" })
      const error = params.get("error") ?? undefined
      if (error !== undefined) throw new LoginFailed({ key, reason: "refused", code: error })
      const code = params.get("code")
      if (code === null) throw new LoginFailed({ key, reason: "unreadable" })
      current = begun
      return { code, params }
    }
  }
}

/** For how long what was discovered for a login is believed. */
const LOGIN_TIME = Duration.toMillis("1 hour")

const tokensOf = ({ expiresAt, extra, scopes, type, value }: AccessToken, now: number) => {
  const issuer = grantOf(extra)?.issuer
  return {
    access_token: `${Redacted.value(value)}`,
    token_type: type,
    ...(expiresAt === undefined ? {} : { expires_in: Math.max(0, Math.floor((expiresAt - now) / 1_000)) }),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    ...(issuer === undefined ? {} : { issuer })
  }
}

/** How the address of a login page shows a verifier (RFC 7636 section 4.2). */
const challengeOf = async (verifier: string): Promise<string> =>
  Encoding.encodeBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))))
