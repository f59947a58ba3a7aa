import type { Provider } from "./Provider.js"

/** Figma. */
export const figma: Provider = {
  id: "figma",
  name: "Figma",
  docs: ["https://arcticjs.dev/providers/figma", "https://www.figma.com/developers/api#authentication"],
  verified: "2026-11-30",
  notes: ["Refreshes go to another address, and answer without a refresh token"],
  grants: ["authorization_code"],
  client: { authentication: "basic" },
  token: { url: "https://api.figma.com/v1/oauth/token" },
  authorize: { url: "https://www.figma.com/oauth", scopeSeparator: "," },
  refresh: { url: "https://api.figma.com/v1/oauth/refresh", form: { refresh_token: "{refreshToken}" } }
}
