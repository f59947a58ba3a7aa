import type { Provider } from "./Provider.js"

/** Microsoft Entra. */
export const microsoftEntra: Provider = {
  id: "microsoft-entra",
  name: "Microsoft Entra",
  docs: ["https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens"],
  verified: "2026-11-30",
  notes: [
    "A refresh token ends after 90 days; for a single-page application after 24 hours, and that end is not put off",
    "A used refresh token goes on working",
    "The scopes of a refresh choose the API"
  ],
  tenant: { tenant: "[A-Za-z0-9.-]+" },
  grants: ["authorization_code", "device_code", "client_credentials"],
  client: { authentication: "post" },
  token: { url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", scopeOnRefresh: "original" },
  authorize: {
    url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    scopes: ["offline_access"]
  },
  device: { url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode" },
  traits: { refreshTokenLifetime: "90 days", keepAlive: "45 days" }
}
