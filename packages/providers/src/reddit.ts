import type { Provider } from "./Provider.js"

/** Reddit. */
export const reddit: Provider = {
  id: "reddit",
  name: "Reddit",
  docs: ["https://github.com/reddit-archive/reddit/wiki/OAuth2"],
  verified: "2026-11-30",
  notes: ["The refresh token comes with `duration=permanent` and lasts until it is revoked"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://www.reddit.com/api/v1/access_token" },
  authorize: { url: "https://www.reddit.com/api/v1/authorize", parameters: { duration: "permanent" } },
  api: { url: "https://oauth.reddit.com" }
}
