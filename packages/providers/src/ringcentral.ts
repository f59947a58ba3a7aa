import type { Provider } from "./Provider.js"

/** RingCentral. */
export const ringcentral: Provider = {
  id: "ringcentral",
  name: "RingCentral",
  docs: ["https://developers.ringcentral.com/guide/authentication/refresh-tokens"],
  verified: "2026-11-30",
  notes: ["A refresh token is single use and lives for 7 days", "A refresh ends the old access token"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://platform.ringcentral.com/restapi/oauth/token" },
  authorize: { url: "https://platform.ringcentral.com/restapi/oauth/authorize" },
  traits: { revokesAccessToken: true, refreshTokenLifetime: "7 days", keepAlive: "3 days" },
  api: { url: "https://platform.ringcentral.com" }
}
