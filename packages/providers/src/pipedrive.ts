import type { Provider } from "./Provider.js"

/** Pipedrive. */
export const pipedrive: Provider = {
  id: "pipedrive",
  name: "Pipedrive",
  docs: ["https://pipedrive.readme.io/docs/marketplace-oauth-authorization"],
  verified: "2026-11-30",
  notes: ["The address of the API is `api_domain` of the answer"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://oauth.pipedrive.com/oauth/token" },
  authorize: { url: "https://oauth.pipedrive.com/oauth/authorize" },
  answer: { keep: ["api_domain"] },
  api: { url: "{api_domain}", hosts: "[a-z0-9-]+\\.pipedrive\\.com" }
}
