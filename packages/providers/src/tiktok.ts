import type { Provider } from "./Provider.js"

/** TikTok. */
export const tiktok: Provider = {
  id: "tiktok",
  name: "TikTok",
  docs: [
    "https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token",
    "https://developers.tiktok.com/docs/en/oauth-user-access-token-management"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 2 hours (of old, 24), refresh tokens for 180 days (365)",
    "A refresh brings a new refresh token, and the old one stops",
    "The client's id is called `client_key`; errors come with 200"
  ],
  grants: ["authorization_code"],
  authorize: {
    url: "https://www.tiktok.com/v2/auth/authorize/",
    scopeSeparator: ",",
    clientIdName: "client_key",
    pkce: false
  },
  exchange: {
    url: "https://open.tiktokapis.com/v2/oauth/token/",
    form: {
      client_key: "{clientId}",
      client_secret: "{clientSecret}",
      grant_type: "authorization_code",
      code: "{code}",
      redirect_uri: "{redirectUri}"
    }
  },
  refresh: {
    url: "https://open.tiktokapis.com/v2/oauth/token/",
    form: {
      client_key: "{clientId}",
      client_secret: "{clientSecret}",
      grant_type: "refresh_token",
      refresh_token: "{refreshToken}"
    }
  },
  revoke: {
    url: "https://open.tiktokapis.com/v2/oauth/revoke/",
    form: { client_key: "{clientId}", client_secret: "{clientSecret}", token: "{accessToken}" }
  },
  answer: { keep: ["open_id"] },
  traits: { keepAlive: "60 days" }
}
