import type { Provider } from "./Provider.js"

/** HubSpot. */
export const hubspot: Provider = {
  id: "hubspot",
  name: "HubSpot",
  docs: [
    "https://developers.hubspot.com/docs/api-reference/legacy/auth-v1/refresh-oauth-token",
    "https://developers.hubspot.com/changelog/upcoming-expiration-of-oauth-access-tokens-is-changing"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 30 minutes and have 300 characters and more",
    "This address ends on 2027-02-16: v3 takes its place"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.hubapi.com/oauth/v1/token" },
  authorize: { url: "https://app.hubspot.com/oauth/authorize" },
  api: { url: "https://api.hubapi.com" }
}
