import type { Provider } from "./Provider.js"

/** Xero. */
export const xero: Provider = {
  id: "xero",
  name: "Xero",
  docs: [
    "https://nango.dev/blog/xero-oauth-refresh-token-invalid-grant",
    "https://developer.xero.com/documentation/guides/oauth2/auth-flow/"
  ],
  verified: "2026-11-30",
  notes: [
    "A refresh token ends after 60 days; a used one works for 30 minutes more",
    "Which organizations a token is for is a call of its own"
  ],
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://identity.xero.com/connect/token" },
  authorize: { url: "https://login.xero.com/identity/connect/authorize", scopes: ["offline_access"] },
  traits: { replayWindow: "30 minutes", refreshTokenLifetime: "60 days", keepAlive: "30 days" },
  api: { url: "https://api.xero.com" }
}
