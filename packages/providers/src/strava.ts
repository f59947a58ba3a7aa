import type { Provider } from "./Provider.js"

/** Strava. */
export const strava: Provider = {
  id: "strava",
  name: "Strava",
  docs: ["https://developers.strava.com/docs/authentication/"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 6 hours, and their end stands in `expires_at`",
    "The refresh token may change with each refresh"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://www.strava.com/oauth/token" },
  authorize: { url: "https://www.strava.com/oauth/authorize", scopeSeparator: "," },
  answer: { expires: { epochSeconds: "expires_at" } },
  api: { url: "https://www.strava.com/api/v3" }
}
