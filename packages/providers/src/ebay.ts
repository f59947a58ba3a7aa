import type { Provider } from "./Provider.js"

/** eBay. */
export const ebay: Provider = {
  id: "ebay",
  name: "eBay",
  docs: [
    "https://developer.ebay.com/api-docs/static/oauth-refresh-token-request.html",
    "https://github.com/requests/requests-oauthlib"
  ],
  verified: "2026-11-30",
  notes: [
    "`token_type` is `User Access Token` or `Application Access Token`, which is no scheme",
    "The refresh token stays the same, and ends 18 months after the login",
    "`redirectUri` is the name that eBay gave to the address"
  ],
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://api.ebay.com/identity/v1/oauth2/token" },
  authorize: { url: "https://auth.ebay.com/oauth2/authorize" },
  answer: { tokenType: "Bearer" },
  api: { url: "https://api.ebay.com" }
}
