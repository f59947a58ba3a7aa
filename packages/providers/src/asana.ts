import type { Provider } from "./Provider.js"

/** Asana. */
export const asana: Provider = {
  id: "asana",
  name: "Asana",
  docs: ["https://developers.asana.com/docs/oauth"],
  verified: "2026-11-30",
  notes: ["The refresh token stays the same"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://app.asana.com/-/oauth_token" },
  authorize: { url: "https://app.asana.com/-/oauth_authorize" },
  api: { url: "https://app.asana.com/api/1.0" }
}
