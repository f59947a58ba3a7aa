import type { Provider } from "./Provider.js"

/** Okta. */
export const okta: Provider = {
  id: "okta",
  name: "Okta",
  docs: [
    "https://developer.okta.com/docs/guides/refresh-tokens/main/",
    "https://github.com/okta/okta-sdk-dotnet/blob/master/docs/OpenIdConnectApplicationSettingsRefreshToken.md"
  ],
  verified: "2026-11-30",
  notes: [
    "Refresh tokens that rotate have 30 seconds of leeway, as configured from 0 to 60",
    "`server` is `default`, or the id of an authorization server"
  ],
  tenant: { domain: "[a-z0-9-]+\\.(?:okta|oktapreview|okta-emea)\\.com", server: "\\w+" },
  grants: ["authorization_code", "device_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://{domain}/oauth2/{server}/v1/token" },
  authorize: { url: "https://{domain}/oauth2/{server}/v1/authorize", scopes: ["offline_access"] },
  device: { url: "https://{domain}/oauth2/{server}/v1/device/authorize" },
  revoke: "https://{domain}/oauth2/{server}/v1/revoke",
  traits: { replayWindow: "30 seconds" }
}
