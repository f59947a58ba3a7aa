import type { Provider } from "./Provider.js"

/** Pinterest. */
export const pinterest: Provider = {
  id: "pinterest",
  name: "Pinterest",
  docs: ["https://github.com/pinterest/pinterest-python-generated-api-client/blob/main/docs/OauthApi.md"],
  verified: "2026-11-30",
  notes: ["Tokens live for 30 days; a refresh token for 60, which each refresh puts off (for a year, of the old kind)"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://api.pinterest.com/v5/oauth/token" },
  authorize: { url: "https://www.pinterest.com/oauth/", scopeSeparator: "," },
  traits: { keepAlive: "25 days" },
  api: { url: "https://api.pinterest.com" }
}
