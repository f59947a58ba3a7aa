import type { Provider } from "./Provider.js"

/** Bitbucket Cloud. */
export const bitbucket: Provider = {
  id: "bitbucket",
  name: "Bitbucket Cloud",
  docs: ["https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/"],
  verified: "2026-11-30",
  notes: ["The granted scopes stand in `scopes`", "It is not the server of Jira and Confluence"],
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://bitbucket.org/site/oauth2/access_token" },
  authorize: { url: "https://bitbucket.org/site/oauth2/authorize" },
  answer: { scope: "scopes" }
}
