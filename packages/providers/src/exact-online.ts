import type { Provider } from "./Provider.js"

/** Exact Online. */
export const exactOnline: Provider = {
  id: "exact-online",
  name: "Exact Online",
  docs: ["https://support.exactonline.com/community/s/knowledge-base#All-All-DNO-Content-oauth-eol-oauth-devstep3"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 10 minutes, and are not refreshed before 9:30",
    "A refresh token is single use and ends after 30 days without use",
    "A dead grant is `invalid_request`"
  ],
  tenant: { country: "nl|be|de|fr|es|co\\.uk|com" },
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://start.exactonline.{country}/api/oauth2/token" },
  authorize: { url: "https://start.exactonline.{country}/api/oauth2/auth" },
  errors: {
    meanings: { invalid_request: "refused", "Rate limit exceeded: access_token not expired": "throttled" }
  },
  traits: { earliestRefresh: "570 seconds", keepAlive: "15 days" },
  api: { url: "https://start.exactonline.{country}" }
}
