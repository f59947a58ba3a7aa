import type { Provider } from "./Provider.js"

/** Wise. */
export const wise: Provider = {
  id: "wise",
  name: "Wise",
  docs: ["https://docs.wise.com/guides/product/account-setup/refreshing-access"],
  verified: "2026-11-30",
  notes: [
    "A refresh ends the old access token; the refresh token stays the same",
    "Tokens live for 12 hours, and are to be renewed 6 hours before their end"
  ],
  grants: ["refresh_token"],
  client: { authentication: "basic" },
  token: { url: "https://api.wise.com/oauth/token" },
  traits: { revokesAccessToken: true },
  api: { url: "https://api.wise.com" }
}
