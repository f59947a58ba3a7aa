import { createHash } from "node:crypto"
import { HttpClient } from "@effect/platform"
import { TokenStore } from "@evertoken/core"
import type { StoredRow, TokenStoreBackend } from "@evertoken/core/store"
import { FakeAuthorizationServer } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Context, Effect, Layer, Redacted } from "effect"
import { McpAuth, type McpAuthOptions } from "../src/index.js"

/** An authorization server, a store that any number of "processes" share, and an MCP server that takes its tokens. */
export const world = (clients?: Readonly<Record<string, string | undefined>>) => {
  const server = FakeAuthorizationServer.make(clients === undefined ? {} : { clients })
  const backend: TokenStoreBackend = Effect.runSync(MemoryTokenStore.backend())
  /** Each process has a store of its own on what they share. */
  const store = Layer.sync(TokenStore, () => TokenStore.make(backend))
  const forms: Array<URLSearchParams> = []
  /** Reaches the authorization server, and notes the form of each request. */
  const http = Layer.map(server.layer, (context) => {
    const noted = HttpClient.tapRequest(Context.get(context, HttpClient.HttpClient), ({ body }) =>
      Effect.sync(() => {
        if (body._tag === "Uint8Array") forms.push(new URLSearchParams(new TextDecoder().decode(body.body)))
      })
    )
    return Context.make(HttpClient.HttpClient, noted)
  })
  const pages: Array<URL> = []
  const sent: Array<string | null> = []
  /** The MCP server: it takes what the authorization server takes. */
  const api = async (_input: RequestInfo | URL, init?: RequestInit) => {
    const header = new Headers(init?.headers).get("authorization")
    sent.push(header)
    const accepted = await Effect.runPromise(server.accepts(header?.replace("Bearer ", "") ?? ""))
    return new Response(null, { status: accepted ? 200 : 401 })
  }
  const process = (options: Partial<McpAuthOptions> = {}): McpAuth =>
    McpAuth.make({
      key: "k",
      serverUrl: "https://mcp.example.com/mcp",
      store,
      http,
      fetch: api,
      login: {
        redirectUrl: "http://127.0.0.1/callback",
        clientMetadata: { redirect_uris: ["http://127.0.0.1/callback"] },
        redirectToAuthorization: (page) => void pages.push(page)
      },
      ...options
    })
  const row = (key: string): Promise<StoredRow | undefined> =>
    Effect.runPromise(Effect.orDie(Effect.map(backend.load(key), ({ row }) => row)))
  return { server, backend, forms, pages, sent, process, row }
}

type World = ReturnType<typeof world>
type Registers = { readonly client_id: string; readonly client_secret: string }

let logins = 0

/** What an SDK does when it gets a 401, up to the address of the login page. `registers` is what it would be registered as. */
export const prepare = async (
  { server }: World,
  { authProvider }: McpAuth,
  registers: Registers = { client_id: "app", client_secret: "secret" },
  scope = "read"
): Promise<URL> => {
  if ((await authProvider.discoveryState()) === undefined) await authProvider.saveDiscoveryState(discovered(server))
  const known = await authProvider.clientInformation()
  const client = known ?? registers
  if (known === undefined) await authProvider.saveClientInformation?.(client)
  await authProvider.tokens()
  const verifier = `verifier-${logins++}`
  const page = new URL("https://auth.example.com/authorize")
  const parameters = {
    client_id: client.client_id,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    state: await authProvider.state(),
    scope,
    resource: "https://mcp.example.com/mcp"
  }
  for (const [name, value] of Object.entries(parameters)) page.searchParams.set(name, value)
  await authProvider.saveCodeVerifier(verifier)
  return page
}

/** The same, up to the login page itself. */
export const begin = async (world: World, auth: McpAuth, ...more: [registers?: Registers, scope?: string]) => {
  const page = await prepare(world, auth, ...more)
  await auth.authProvider.redirectToAuthorization(page)
  return page
}

/** What an SDK does once the browser came back from `page`. Gives the client and the challenge that it would show. */
export const finish = async ({ server }: World, auth: McpAuth, page: URL, refreshes = true) => {
  const { authProvider } = auth
  await auth.callback(`http://127.0.0.1/callback?code=c&state=${page.searchParams.get("state")}`)
  const discovery = await authProvider.discoveryState()
  const client = await authProvider.clientInformation()
  const verifier = await authProvider.codeVerifier()
  const { accessToken, refreshToken } = server.login()
  await authProvider.saveTokens({
    access_token: `${Redacted.value(accessToken)}`,
    token_type: "bearer",
    expires_in: 3600,
    ...(refreshes && refreshToken !== undefined ? { refresh_token: `${Redacted.value(refreshToken)}` } : {}),
    issuer: server.issuer
  })
  return { discovery, client, challenge: createHash("sha256").update(verifier).digest("base64url") }
}

const discovered = ({ authorizationEndpoint, issuer, revocationEndpoint, tokenEndpoint }: World["server"]) => ({
  authorizationServerUrl: issuer,
  authorizationServerMetadata: {
    ...{ issuer, token_endpoint: tokenEndpoint, authorization_endpoint: `${authorizationEndpoint}` },
    ...{ revocation_endpoint: revocationEndpoint, response_types_supported: ["code"] },
    token_endpoint_auth_methods_supported: ["client_secret_post"]
  }
})
