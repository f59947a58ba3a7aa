import type { Provider } from "./Provider.js"

/** Tableau. */
export const tableau: Provider = {
  id: "tableau",
  name: "Tableau",
  docs: [
    "https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_concepts_auth.htm",
    "https://nango.dev/docs/integrations/all/tableau"
  ],
  verified: "2026-11-30",
  notes: [
    "Each renewal is a login with a personal access token; the lifetime is written as a clock",
    "The header of the API is `X-Tableau-Auth`"
  ],
  tenant: { host: "[A-Za-z0-9.-]+", version: "\\d+\\.\\d+", site: "[\\w-]+", name: "[\\w.-]+" },
  secrets: ["token"],
  grants: ["login"],
  login: {
    url: "https://{host}/api/{version}/auth/signin",
    json: {
      credentials: {
        personalAccessTokenName: "{name}",
        personalAccessTokenSecret: "{token}",
        site: { contentUrl: "{site}" }
      }
    }
  },
  revoke: { url: "https://{host}/api/{version}/auth/signout", headers: { "x-tableau-auth": "{accessToken}" } },
  answer: {
    accessToken: "credentials.token",
    expires: { clock: "credentials.estimatedTimeToExpiration", format: "H:MM:SS" },
    keep: ["credentials.site.id"]
  },
  api: { url: "https://{host}/api/{version}", header: "X-Tableau-Auth" }
}
