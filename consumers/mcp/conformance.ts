// The shapes that @evertoken/mcp has without importing an SDK, against the SDKs' own types. It is type-checked, not run.
import type { OAuthClientProvider as AiSdkProvider } from "@ai-sdk/mcp"
import type { TokenClient } from "@evertoken/core"
import { bearerAuth, type Login, type McpAuth } from "@evertoken/mcp"
import {
  type AuthProvider,
  type OAuthClientProvider as ClientProvider,
  StreamableHTTPClientTransport
} from "@modelcontextprotocol/client"
import type { OAuthClientProvider as SdkProvider } from "@modelcontextprotocol/sdk/client/auth.js"
import { SSEClientTransport as SdkSse } from "@modelcontextprotocol/sdk/client/sse.js"
import { StreamableHTTPClientTransport as SdkTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"

declare const auth: McpAuth
declare const tokens: TokenClient
declare const theirs: SdkProvider
declare const newer: ClientProvider
declare const vercels: AiSdkProvider
const url = new URL("https://mcp.example.com/mcp")

export const providers: readonly [SdkProvider, ClientProvider, AiSdkProvider] = [
  auth.authProvider,
  auth.authProvider,
  auth.authProvider
]
export const bearer: AuthProvider = bearerAuth(tokens)
export const transports = [
  new SdkTransport(url, auth),
  new SdkSse(url, auth),
  new StreamableHTTPClientTransport(url, auth),
  new StreamableHTTPClientTransport(url, { authProvider: bearerAuth(tokens) }),
  new StreamableHTTPClientTransport(url, { fetch: tokens.fetch })
]
/** A provider that an application has already says how a person logs in. */
export const logins: ReadonlyArray<Login> = [theirs, newer, vercels]
