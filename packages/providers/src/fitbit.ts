import type { Provider } from "./Provider.js"

/** Fitbit. */
export const fitbit: Provider = {
  id: "fitbit",
  name: "Fitbit",
  docs: ["https://dev.fitbit.com/build/reference/web-api/authorization/refresh-token/"],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 8 hours; a refresh token is single use and lasts until it is used",
    "Errors stand in a list"
  ],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://api.fitbit.com/oauth2/token" },
  authorize: { url: "https://www.fitbit.com/oauth2/authorize" },
  revoke: "https://api.fitbit.com/oauth2/revoke",
  answer: { keep: ["user_id"] },
  errors: { success: { at: "success", is: [true] }, code: "errors.0.errorType" },
  api: { url: "https://api.fitbit.com" }
}
