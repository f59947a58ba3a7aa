import type { Provider } from "./Provider.js"

/** Zendesk. */
export const zendesk: Provider = {
  id: "zendesk",
  name: "Zendesk",
  docs: [
    "https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/",
    "https://support.zendesk.com/hc/en-us/articles/9182123625370"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens end only as asked for, in 5 minutes to 2 days: 1 hour is asked for here",
    "A refresh token is single use, ends after 30 days, and its use ends the old access token too"
  ],
  tenant: { subdomain: "[a-z0-9][a-z0-9-]*" },
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://{subdomain}.zendesk.com/oauth/tokens", parameters: { expires_in: "3600" } },
  authorize: { url: "https://{subdomain}.zendesk.com/oauth/authorizations/new" },
  traits: { revokesAccessToken: true, refreshTokenLifetime: "30 days", keepAlive: "15 days" },
  api: { url: "https://{subdomain}.zendesk.com" }
}
