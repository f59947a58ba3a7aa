import type { Provider } from "./Provider.js"

/** NetSuite. */
export const netsuite: Provider = {
  id: "netsuite",
  name: "NetSuite",
  docs: [
    "https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_160855594402.html",
    "https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_162755359851.html"
  ],
  verified: "2026-11-30",
  notes: ["`expires_in` is text", "Client credentials are proved by a signed assertion: give `privateKey`"],
  tenant: { account: "[A-Za-z0-9-]+" },
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://{account}.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token" },
  authorize: { url: "https://{account}.app.netsuite.com/app/login/oauth2/authorize.nl" },
  api: { url: "https://{account}.suitetalk.api.netsuite.com" }
}
