import type { Provider } from "./Provider.js"

/** X (Twitter). */
export const twitter: Provider = {
  id: "twitter",
  name: "X (Twitter)",
  docs: ["https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 2 hours; refresh tokens are single use, and a used one ends its whole family",
    "A dead grant is `invalid_request`"
  ],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://api.x.com/2/oauth2/token" },
  authorize: { url: "https://x.com/i/oauth2/authorize", scopes: ["offline.access"] },
  revoke: "https://api.x.com/2/oauth2/revoke",
  errors: { meanings: { invalid_request: "refused" } },
  api: { url: "https://api.x.com" }
}
