import type { AccessToken, TokenClient } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AuthProvider } from "./OAuthClientProvider.js"

/**
 * The tokens of `client` for a transport that asks for an `AuthProvider`; there is no login. A refusal rejects the token
 * that was given last. The SDK does not say which request was refused: what is refused within ten seconds after that is
 * taken for requests that had the rejected token too, and is made again with the new one at no cost. `fetch: client.fetch`
 * knows which token each request had.
 *
 * @example
 * ```ts
 * const client = TokenClient.make({
 *   key: "reports",
 *   source: OAuth2.clientCredentials({ tokenEndpoint: "https://auth.example.com/token", clientId: "reports" }),
 *   store: MemoryTokenStore.layer
 * })
 * const authProvider = bearerAuth(client)
 * // new StreamableHTTPClientTransport(new URL("https://mcp.example.com/mcp"), { authProvider })
 * ```
 */
export const bearerAuth = (client: Pick<TokenClient, "get" | "reject">): AuthProvider => {
  let given: AccessToken | undefined
  let rejected: { readonly generation: number; readonly at: number } | undefined
  return {
    token: async () => {
      given = await client.get()
      return `${Redacted.value(given.value)}`
    },
    onUnauthorized: async () => {
      const now = Effect.runSync(Clock.currentTimeMillis)
      if (given === undefined) return
      if (rejected !== undefined && given.generation > rejected.generation && now - rejected.at < LATE) return
      rejected = { generation: given.generation, at: now }
      await client.reject(given)
    }
  }
}

/** How long a request may take that was sent with a token which was rejected meanwhile. */
const LATE = Duration.toMillis("10 seconds")
