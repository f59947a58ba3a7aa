import type { Provider } from "./Provider.js"

/** Slack. */
export const slack: Provider = {
  id: "slack",
  name: "Slack",
  docs: ["https://docs.slack.dev/authentication/using-token-rotation"],
  verified: "2026-11-30",
  notes: [
    "Tokens end, after 12 hours, where the app has token rotation on",
    "A used refresh token is revoked",
    "Errors come with 200 and `ok: false`",
    "This is the bot's token; the person's stands under `authed_user` of the first answer: keep it under a key of its own"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://slack.com/api/oauth.v2.access" },
  authorize: { url: "https://slack.com/oauth/v2/authorize", scopeSeparator: "," },
  answer: { tokenType: "Bearer", keep: ["team.id", "bot_user_id"] },
  errors: {
    success: { at: "ok", is: [true] },
    code: "error",
    meanings: { invalid_refresh_token: "refused", ratelimited: "throttled" }
  }
}
