import type { Provider } from "./Provider.js"

/** Zoho. */
export const zoho: Provider = {
  id: "zoho",
  name: "Zoho",
  docs: [
    "https://www.zoho.com/accounts/protocol/oauth/devices/refresh-access-token.html",
    "https://www.zoho.com/contracts/api/getting-started/refreshing-access-tokens.html"
  ],
  verified: "2026-11-30",
  notes: [
    "10 access tokens in 10 minutes for each refresh token, 20 refresh tokens for each person: the oldest ends",
    "A rate limit is 200 with `Access Denied`, a dead grant `invalid_code`",
    "The address of the API is `api_domain` of the answer"
  ],
  tenant: { region: "com|eu|in|com\\.au|jp|com\\.cn" },
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://accounts.zoho.{region}/oauth/v2/token" },
  authorize: {
    url: "https://accounts.zoho.{region}/oauth/v2/auth",
    parameters: { access_type: "offline", prompt: "consent" },
    scopeSeparator: ","
  },
  revoke: { url: "https://accounts.zoho.{region}/oauth/v2/token/revoke", query: { token: "{refreshToken}" } },
  answer: { tokenType: "Zoho-oauthtoken", keep: ["api_domain"] },
  errors: { meanings: { "Access Denied": "throttled", invalid_code: "refused" } },
  api: { url: "{api_domain}", hosts: "www\\.zohoapis\\.(?:com|eu|in|com\\.au|jp|com\\.cn)" }
}
