// @evertoken/mcp: the auth providers that MCP clients ask for, over a TokenClient.
// May import core.
// Must not know of an MCP SDK: it has the shapes that the SDKs ask for, and imports none of them.

export * from "./BearerAuth.js"
export * from "./LoginError.js"
export type { Callback } from "./LoginProvider.js"
export * from "./McpAuth.js"
export type * from "./OAuthClientProvider.js"
