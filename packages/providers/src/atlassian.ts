import type { Provider } from "./Provider.js"

/** Atlassian (Jira, Confluence). */
export const atlassian: Provider = {
  id: "atlassian",
  name: "Atlassian (Jira, Confluence)",
  docs: [
    "https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens/",
    "https://nango.dev/blog/jira-oauth-refresh-token-invalid-grant"
  ],
  verified: "2026-11-30",
  notes: [
    "A used refresh token works for 10 minutes more",
    "It ends after 90 days without use, and after 365 days at the latest",
    "A dead grant may be 403 `unauthorized_client`",
    "An ended access token may be answered by 403 or 404"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://auth.atlassian.com/oauth/token" },
  authorize: {
    url: "https://auth.atlassian.com/authorize",
    parameters: { audience: "api.atlassian.com", prompt: "consent" },
    scopes: ["offline_access"]
  },
  errors: { meanings: { unauthorized_client: "refused" } },
  traits: { replayWindow: "10 minutes", keepAlive: "45 days" }
}
