import type { Provider } from "./Provider.js"

/** Zoom, server to server. */
export const zoomServer: Provider = {
  id: "zoom-server",
  name: "Zoom, server to server",
  docs: ["https://developers.zoom.us/docs/rooms/s2s-oauth/"],
  verified: "2026-11-30",
  notes: ["Each renewal is a login; several tokens may be used at once"],
  tenant: { account: "[\\w-]+" },
  grants: ["login"],
  client: { authentication: "basic" },
  login: { url: "https://zoom.us/oauth/token", form: { grant_type: "account_credentials", account_id: "{account}" } },
  answer: { keep: ["api_url"] }
}
