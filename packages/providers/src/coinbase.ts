import type { Provider } from "./Provider.js"

/** Coinbase. */
export const coinbase: Provider = {
  id: "coinbase",
  name: "Coinbase",
  docs: ["https://docs.cdp.coinbase.com/coinbase-app/oauth2-integration/access-and-refresh-tokens"],
  verified: "2026-11-30",
  notes: ["Tokens live for 1 hour; a refresh token is single use and lives for 1.5 years"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://login.coinbase.com/oauth2/token" },
  authorize: { url: "https://login.coinbase.com/oauth2/auth", scopes: ["offline_access"] },
  api: { url: "https://api.coinbase.com" }
}
