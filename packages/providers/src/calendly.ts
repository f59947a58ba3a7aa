import type { Provider } from "./Provider.js"

/** Calendly. */
export const calendly: Provider = {
  id: "calendly",
  name: "Calendly",
  docs: [
    "https://developer.calendly.com/refresh-token-rotation-guide",
    "https://developer.calendly.com/post-oauth-refresh-token"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 2 hours; a refresh token is single use and is revoked at once",
    "8 tokens a minute for each person"
  ],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://auth.calendly.com/oauth/token" },
  authorize: { url: "https://auth.calendly.com/oauth/authorize" },
  answer: { keep: ["owner"] },
  api: { url: "https://api.calendly.com" }
}
