import type { Provider } from "./Provider.js"

/** GitHub App, person. */
export const githubApp: Provider = {
  id: "github-app",
  name: "GitHub App, person",
  docs: [
    "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens end, after 8 hours, where the app has it on",
    "A refresh ends the old tokens",
    "Errors come with 200"
  ],
  grants: ["authorization_code", "device_code"],
  client: { authentication: "post" },
  token: { url: "https://github.com/login/oauth/access_token", headers: { accept: "application/json" } },
  authorize: { url: "https://github.com/login/oauth/authorize" },
  device: { url: "https://github.com/login/device/code" },
  errors: { meanings: { bad_refresh_token: "refused", incorrect_client_credentials: "client" } },
  traits: { revokesAccessToken: true, keepAlive: "60 days" }
}
