import type { Provider } from "./Provider.js"

/** Threads. */
export const threads: Provider = {
  id: "threads",
  name: "Threads",
  docs: ["https://developers.facebook.com/docs/threads/get-started/long-lived-tokens"],
  verified: "2026-11-30",
  notes: [
    "The access token extends itself, for 60 days, once it is 24 hours old and while it lasts",
    "Keep the long-lived token: the login's own is exchanged by `th_exchange_token`",
    "What a private profile permitted ends after 90 days"
  ],
  grants: ["refresh_token"],
  refresh: {
    url: "https://graph.threads.net/refresh_access_token",
    method: "GET",
    query: { grant_type: "th_refresh_token", access_token: "{accessToken}" }
  },
  errors: { meanings: { "190": "refused" } },
  traits: { earliestRefresh: "24 hours" },
  api: { url: "https://graph.threads.net" }
}
