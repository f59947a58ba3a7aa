import type { Provider } from "./Provider.js"

/** Square. */
export const square: Provider = {
  id: "square",
  name: "Square",
  docs: [
    "https://developer.squareup.com/reference/square/o-auth-api/obtain-token",
    "https://developer.squareup.com/docs/oauth-api/refresh-revoke-limit-scope"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 30 days, and are to be renewed every 7 days or less",
    "With a secret the same refresh token comes back each time; with PKCE a new one"
  ],
  grants: ["authorization_code"],
  authorize: { url: "https://connect.squareup.com/oauth2/authorize", pkce: false },
  exchange: {
    url: "https://connect.squareup.com/oauth2/token",
    json: {
      client_id: "{clientId}",
      client_secret: "{clientSecret}",
      grant_type: "authorization_code",
      code: "{code}",
      redirect_uri: "{redirectUri}"
    }
  },
  refresh: {
    url: "https://connect.squareup.com/oauth2/token",
    json: {
      client_id: "{clientId}",
      client_secret: "{clientSecret}",
      grant_type: "refresh_token",
      refresh_token: "{refreshToken}"
    }
  },
  answer: { expires: { isoDate: "expires_at" }, keep: ["merchant_id"] },
  traits: { keepAlive: "7 days" }
}
