import type { Provider } from "./Provider.js"

/** Discord. */
export const discord: Provider = {
  id: "discord",
  name: "Discord",
  docs: ["https://discord.com/developers/docs/topics/oauth2"],
  verified: "2026-11-30",
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://discord.com/api/oauth2/token" },
  authorize: { url: "https://discord.com/api/oauth2/authorize" },
  revoke: "https://discord.com/api/oauth2/token/revoke",
  api: { url: "https://discord.com/api" }
}
