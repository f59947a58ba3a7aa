import type { Provider } from "./Provider.js"

/** Box. */
export const box: Provider = {
  id: "box",
  name: "Box",
  docs: ["https://developer.box.com/guides/authentication/tokens/refresh"],
  verified: "2026-11-30",
  notes: ["Refresh tokens are single use and end after 60 days"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.box.com/oauth2/token" },
  authorize: { url: "https://account.box.com/api/oauth2/authorize" },
  revoke: "https://api.box.com/oauth2/revoke",
  traits: { refreshTokenLifetime: "60 days", keepAlive: "30 days" },
  api: { url: "https://api.box.com" }
}
