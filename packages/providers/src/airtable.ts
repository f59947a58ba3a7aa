import type { Provider } from "./Provider.js"

/** Airtable. */
export const airtable: Provider = {
  id: "airtable",
  name: "Airtable",
  docs: [
    "https://nango.dev/blog/airtable-oauth-refresh-token-invalid-grant",
    "https://airtable.com/developers/web/api/oauth-reference"
  ],
  verified: "2026-11-30",
  notes: ["A refresh ends the old access token; a refresh token ends after 60 days"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://airtable.com/oauth2/v1/token" },
  authorize: { url: "https://airtable.com/oauth2/v1/authorize" },
  traits: { revokesAccessToken: true, keepAlive: "30 days" },
  api: { url: "https://api.airtable.com" }
}
