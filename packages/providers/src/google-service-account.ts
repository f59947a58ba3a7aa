import type { Provider } from "./Provider.js"

/** Google service account. */
export const googleServiceAccount: Provider = {
  id: "google-service-account",
  name: "Google service account",
  docs: ["https://developers.google.com/identity/protocols/oauth2/service-account"],
  verified: "2026-11-30",
  notes: [
    "The scopes stand in the assertion: give them as `claims: { scope }`, and the account's address as `issuedBy`"
  ],
  grants: ["jwt_bearer"],
  client: { authentication: "none" },
  token: { url: "https://oauth2.googleapis.com/token" }
}
