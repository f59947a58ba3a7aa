import type { Provider } from "./Provider.js"

/** Auth0. */
export const auth0: Provider = {
  id: "auth0",
  name: "Auth0",
  docs: ["https://auth0.com/docs/secure/tokens/refresh-tokens"],
  verified: "2026-11-30",
  notes: [
    "Rotation, leeway and lifetimes are as configured: say a leeway as `replayWindow`",
    "A dead grant may be `invalid_grant` with 403",
    "`audience` chooses the API"
  ],
  tenant: { domain: "[a-z0-9-]+(?:\\.[a-z]{2})?\\.auth0\\.com" },
  grants: ["authorization_code", "device_code", "client_credentials"],
  client: { authentication: "post" },
  token: { url: "https://{domain}/oauth/token" },
  authorize: { url: "https://{domain}/authorize", scopes: ["offline_access"] },
  device: { url: "https://{domain}/oauth/device/code" },
  revoke: "https://{domain}/oauth/revoke"
}
