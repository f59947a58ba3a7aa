import type { Provider } from "./Provider.js"

/** Threads. */
export const threads: Provider = {
  id: "threads",
  name: "Threads",
  docs: ["https://developers.facebook.com/docs/threads/get-started/long-lived-tokens"],
  verified: "2026-11-30",
  notes: [
    "The access token extends itself, for 60 days, once it is 24 hours old and while it lasts",
    "The token of the login lives for an hour: it is exchanged at once for one that lives for 60 days",
    "What a private profile permitted ends after 90 days"
  ],
  grants: ["authorization_code"],
  authorize: { url: "https://threads.net/oauth/authorize", scopeSeparator: ",", pkce: false },
  exchange: [
    {
      url: "https://graph.threads.net/oauth/access_token",
      form: {
        client_id: "{clientId}",
        client_secret: "{clientSecret}",
        grant_type: "authorization_code",
        code: "{code}",
        redirect_uri: "{redirectUri}"
      }
    },
    {
      url: "https://graph.threads.net/access_token",
      method: "GET",
      query: {
        grant_type: "th_exchange_token",
        client_secret: "{clientSecret}",
        access_token: "{accessToken}"
      }
    }
  ],
  refresh: {
    url: "https://graph.threads.net/refresh_access_token",
    method: "GET",
    query: { grant_type: "th_refresh_token", access_token: "{accessToken}" }
  },
  errors: { meanings: { "190": "refused" } },
  traits: { earliestRefresh: "24 hours" },
  api: { url: "https://graph.threads.net" }
}
