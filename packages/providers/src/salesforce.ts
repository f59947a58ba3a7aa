import type { Provider } from "./Provider.js"

/** Salesforce. */
export const salesforce: Provider = {
  id: "salesforce",
  name: "Salesforce",
  docs: [
    "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_refresh_token_flow.htm",
    "https://nango.dev/blog/salesforce-get-access-token-expires-at"
  ],
  verified: "2026-11-30",
  notes: [
    "No answer says how long a token lives: the organization's session policy does, 2 hours are assumed here",
    "The address of the API is `instance_url` of the answer",
    "Refresh tokens are single use where the app has rotation on"
  ],
  tenant: { domain: "(?:login|test)\\.salesforce\\.com|[a-z0-9-]+(?:\\.[a-z0-9-]+)*\\.my\\.salesforce\\.com" },
  grants: ["authorization_code", "client_credentials", "jwt_bearer"],
  client: { authentication: "post" },
  token: { url: "https://{domain}/services/oauth2/token" },
  authorize: { url: "https://{domain}/services/oauth2/authorize", scopes: ["offline_access"] },
  revoke: "https://{domain}/services/oauth2/revoke",
  answer: { expires: [{ seconds: "expires_in" }, { fixed: "2 hours" }], keep: ["instance_url"] },
  api: { url: "{instance_url}", hosts: "[a-z0-9-]+(?:\\.[a-z0-9-]+)*\\.salesforce\\.com" }
}
