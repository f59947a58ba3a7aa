import type { Provider } from "./Provider.js"

/** Zoom. */
export const zoom: Provider = {
  id: "zoom",
  name: "Zoom",
  docs: ["https://developers.zoom.us/docs/integrations/oauth/"],
  verified: "2026-11-30",
  notes: ["Refresh tokens are single use and end after about 90 days"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://zoom.us/oauth/token" },
  authorize: { url: "https://zoom.us/oauth/authorize" },
  revoke: "https://zoom.us/oauth/revoke",
  answer: { keep: ["api_url"] },
  traits: { keepAlive: "30 days" }
}
