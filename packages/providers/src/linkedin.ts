import type { Provider } from "./Provider.js"

/** LinkedIn. */
export const linkedin: Provider = {
  id: "linkedin",
  name: "LinkedIn",
  docs: ["https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 60 days; a refresh token for 365 from the login, which no refresh puts off",
    "Refresh tokens are for approved partners; answers have no `token_type`"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://www.linkedin.com/oauth/v2/accessToken" },
  authorize: { url: "https://www.linkedin.com/oauth/v2/authorization" }
}
