import type { Provider } from "./Provider.js"

/** Instagram. */
export const instagram: Provider = {
  id: "instagram",
  name: "Instagram",
  docs: ["https://developers.facebook.com/docs/instagram-platform/reference/refresh_access_token"],
  verified: "2026-11-30",
  notes: [
    "The access token extends itself, for 60 days, once it is 24 hours old and while it lasts",
    "The token of the login lives for an hour: it is exchanged at once for one that lives for 60 days"
  ],
  grants: ["authorization_code"],
  authorize: { url: "https://www.instagram.com/oauth/authorize", scopeSeparator: ",", pkce: false },
  exchange: [
    {
      url: "https://api.instagram.com/oauth/access_token",
      form: {
        client_id: "{clientId}",
        client_secret: "{clientSecret}",
        grant_type: "authorization_code",
        code: "{code}",
        redirect_uri: "{redirectUri}"
      }
    },
    {
      url: "https://graph.instagram.com/access_token",
      method: "GET",
      query: {
        grant_type: "ig_exchange_token",
        client_secret: "{clientSecret}",
        access_token: "{accessToken}"
      }
    }
  ],
  refresh: {
    url: "https://graph.instagram.com/refresh_access_token",
    method: "GET",
    query: { grant_type: "ig_refresh_token", access_token: "{accessToken}" }
  },
  errors: { meanings: { "190": "refused" } },
  traits: { earliestRefresh: "24 hours" },
  api: { url: "https://graph.instagram.com" }
}
