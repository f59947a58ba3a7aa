import type { Provider } from "./Provider.js"

/** Instagram. */
export const instagram: Provider = {
  id: "instagram",
  name: "Instagram",
  docs: ["https://developers.facebook.com/docs/instagram-platform/reference/refresh_access_token"],
  verified: "2026-11-30",
  notes: [
    "The access token extends itself, for 60 days, once it is 24 hours old and while it lasts",
    "Keep the long-lived token: the login's own lives for an hour and is exchanged by `ig_exchange_token`"
  ],
  grants: ["refresh_token"],
  refresh: {
    url: "https://graph.instagram.com/refresh_access_token",
    method: "GET",
    query: { grant_type: "ig_refresh_token", access_token: "{accessToken}" }
  },
  errors: { meanings: { "190": "refused" } },
  traits: { earliestRefresh: "24 hours" },
  api: { url: "https://graph.instagram.com" }
}
