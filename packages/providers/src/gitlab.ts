import type { Provider } from "./Provider.js"

/** GitLab. */
export const gitlab: Provider = {
  id: "gitlab",
  name: "GitLab",
  docs: ["https://docs.gitlab.com/api/oauth2/"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 2 hours; a used refresh token is invalid at once",
    "A host of your own: your copy, with its addresses"
  ],
  grants: ["authorization_code", "device_code"],
  client: { authentication: "post" },
  token: { url: "https://gitlab.com/oauth/token" },
  authorize: { url: "https://gitlab.com/oauth/authorize" },
  device: { url: "https://gitlab.com/oauth/authorize_device" },
  revoke: "https://gitlab.com/oauth/revoke"
}
