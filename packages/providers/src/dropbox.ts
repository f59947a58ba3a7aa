import type { Provider } from "./Provider.js"

/** Dropbox. */
export const dropbox: Provider = {
  id: "dropbox",
  name: "Dropbox",
  docs: ["https://dropbox.tech/developers/using-oauth-2-0-with-offline-access"],
  verified: "2026-11-30",
  notes: ["Tokens live for 4 hours; the refresh token does not end, and no refresh brings a new one"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.dropboxapi.com/oauth2/token" },
  authorize: { url: "https://www.dropbox.com/oauth2/authorize", parameters: { token_access_type: "offline" } },
  revoke: { url: "https://api.dropboxapi.com/2/auth/token/revoke", headers: { authorization: "Bearer {accessToken}" } },
  api: { url: "https://api.dropboxapi.com" }
}
