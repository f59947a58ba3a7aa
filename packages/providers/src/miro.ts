import type { Provider } from "./Provider.js"

/** Miro. */
export const miro: Provider = {
  id: "miro",
  name: "Miro",
  docs: ["https://developers.miro.com/reference/get-new-access-token-using-refresh-token"],
  verified: "2026-11-30",
  notes: ["Tokens end, after 1 hour, where the app has it on; a refresh token ends after 60 days"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.miro.com/v1/oauth/token" },
  authorize: { url: "https://miro.com/oauth/authorize" },
  answer: { keep: ["team_id", "user_id"] },
  traits: { refreshTokenLifetime: "60 days", keepAlive: "30 days" },
  api: { url: "https://api.miro.com" }
}
