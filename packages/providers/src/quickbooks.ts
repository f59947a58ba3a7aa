import type { Provider } from "./Provider.js"

/** QuickBooks. */
export const quickbooks: Provider = {
  id: "quickbooks",
  name: "QuickBooks",
  docs: ["https://github.com/intuit/QuickBooks-V3-Java-SDK/releases/tag/v6.5.4"],
  verified: "2026-11-30",
  notes: [
    "The refresh token changes about once a day, and only the newest counts",
    "It ends after 100 days without use, and after 5 years at the latest"
  ],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer" },
  authorize: { url: "https://appcenter.intuit.com/connect/oauth2" },
  revoke: "https://developer.api.intuit.com/v2/oauth2/tokens/revoke",
  traits: { keepAlive: "50 days" }
}
