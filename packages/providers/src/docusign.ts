import type { Provider } from "./Provider.js"

/** DocuSign. */
export const docusign: Provider = {
  id: "docusign",
  name: "DocuSign",
  docs: ["https://developers.docusign.com/platform/auth/reference/obtain-access-token/"],
  verified: "2026-11-30",
  notes: [
    "`environment` is `account`, or `account-d` for tests",
    "Each refresh brings a new refresh token, which lives for 30 days with the scope `extended`",
    "The address of the API is in the answer of `/oauth/userinfo`"
  ],
  tenant: { environment: "account(?:-d)?" },
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://{environment}.docusign.com/oauth/token" },
  authorize: { url: "https://{environment}.docusign.com/oauth/auth" },
  traits: { keepAlive: "15 days" }
}
