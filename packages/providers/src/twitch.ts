import type { Provider } from "./Provider.js"

/** Twitch. */
export const twitch: Provider = {
  id: "twitch",
  name: "Twitch",
  docs: ["https://dev.twitch.tv/docs/authentication/refresh-tokens/"],
  verified: "2026-11-30",
  notes: [
    "A dead grant is 400 with `message: Invalid refresh token`",
    "The refresh token may change with each refresh"
  ],
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "post" },
  token: { url: "https://id.twitch.tv/oauth2/token" },
  authorize: { url: "https://id.twitch.tv/oauth2/authorize" },
  revoke: {
    url: "https://id.twitch.tv/oauth2/revoke",
    form: { token: "{accessToken}" }
  },
  errors: { code: "message", meanings: { "Invalid refresh token": "refused", "invalid client secret": "client" } },
  api: { url: "https://api.twitch.tv" }
}
