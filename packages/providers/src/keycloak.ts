import type { Provider } from "./Provider.js"

/** Keycloak. */
export const keycloak: Provider = {
  id: "keycloak",
  name: "Keycloak",
  docs: ["https://www.keycloak.org/securing-apps/oidc-layers"],
  verified: "2026-11-30",
  notes: ["Refresh tokens stay the same unless set otherwise; `refresh_expires_in: 0` is an offline token"],
  tenant: { host: "[A-Za-z0-9.-]+", realm: "[\\w.-]+" },
  grants: ["authorization_code", "client_credentials", "token_exchange"],
  client: { authentication: "basic" },
  token: { url: "https://{host}/realms/{realm}/protocol/openid-connect/token" },
  authorize: { url: "https://{host}/realms/{realm}/protocol/openid-connect/auth" },
  revoke: "https://{host}/realms/{realm}/protocol/openid-connect/revoke"
}
