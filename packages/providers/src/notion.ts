import type { Provider } from "./Provider.js"

/** Notion. */
export const notion: Provider = {
  id: "notion",
  name: "Notion",
  docs: [
    "https://developers.notion.com/reference/refresh-a-token",
    "https://nango.dev/blog/notion-oauth-refresh-token-invalid-grant"
  ],
  verified: "2026-11-30",
  notes: [
    "A refresh ends all older tokens, and one with a used refresh token ends them all",
    "No answer says how long a token lives: 1 hour is assumed"
  ],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://api.notion.com/v1/oauth/token" },
  authorize: { url: "https://api.notion.com/v1/oauth/authorize", parameters: { owner: "user" } },
  answer: { expires: [{ seconds: "expires_in" }, { fixed: "1 hour" }], keep: ["workspace_id"] },
  traits: { revokesAccessToken: true, replay: "never" }
}
