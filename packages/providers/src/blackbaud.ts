import type { Provider } from "./Provider.js"

/** Blackbaud SKY. */
export const blackbaud: Provider = {
  id: "blackbaud",
  name: "Blackbaud SKY",
  docs: [
    "https://developer.blackbaud.com/skyapi/docs/authorization",
    "https://github.com/blackbaud/skyapi-headless-data-sync"
  ],
  verified: "2026-11-30",
  notes: ["Tokens live for 60 minutes; each refresh brings a new refresh token and ends older access tokens"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://oauth2.sky.blackbaud.com/token" },
  authorize: { url: "https://app.blackbaud.com/oauth/authorize" },
  answer: { keep: ["environment_id"] },
  traits: { revokesAccessToken: true },
  api: { url: "https://api.sky.blackbaud.com" }
}
