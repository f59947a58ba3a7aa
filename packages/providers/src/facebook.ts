import type { Provider } from "./Provider.js"

/** Facebook. */
export const facebook: Provider = {
  id: "facebook",
  name: "Facebook",
  docs: ["https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived/"],
  verified: "2026-11-30",
  notes: [
    "There are no refresh tokens: a token is exchanged for a newer one, which lives for about 60 days",
    "A `code_verifier` is refused; code 190 is a dead grant"
  ],
  grants: ["authorization_code"],
  authorize: { url: "https://www.facebook.com/v22.0/dialog/oauth", scopeSeparator: ",", pkce: false },
  exchange: {
    url: "https://graph.facebook.com/v22.0/oauth/access_token",
    form: { client_id: "{clientId}", client_secret: "{clientSecret}", code: "{code}", redirect_uri: "{redirectUri}" }
  },
  refresh: {
    url: "https://graph.facebook.com/v22.0/oauth/access_token",
    form: {
      grant_type: "fb_exchange_token",
      client_id: "{clientId}",
      client_secret: "{clientSecret}",
      fb_exchange_token: "{accessToken}"
    }
  },
  answer: { expires: [{ seconds: "expires_in" }, { seconds: "expires" }] },
  errors: { meanings: { "190": "refused" } },
  api: { url: "https://graph.facebook.com" }
}
