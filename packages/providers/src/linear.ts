import type { Provider } from "./Provider.js"

/** Linear. */
export const linear: Provider = {
  id: "linear",
  name: "Linear",
  docs: ["https://linear.app/developers/oauth-2-0-authentication"],
  verified: "2026-11-30",
  notes: ["Tokens end, and have refresh tokens, for all apps since 2026-04-01"],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.linear.app/oauth/token" },
  authorize: { url: "https://linear.app/oauth/authorize", parameters: { prompt: "consent" }, scopeSeparator: "," },
  api: { url: "https://api.linear.app" }
}
