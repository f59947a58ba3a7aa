import type { Provider } from "./Provider.js"

/** Spotify. */
export const spotify: Provider = {
  id: "spotify",
  name: "Spotify",
  docs: [
    "https://developer.spotify.com/blog/2026-06-18-refresh-token-expiration",
    "https://developer.spotify.com/documentation/web-api/tutorials/refreshing-tokens"
  ],
  verified: "2026-11-30",
  notes: [
    "A refresh token ends 6 months after the login, which no refresh puts off; then a person logs in",
    "Most refreshes answer without a refresh token"
  ],
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://accounts.spotify.com/api/token" },
  authorize: { url: "https://accounts.spotify.com/authorize" },
  traits: { refreshTokenLifetime: "180 days" },
  api: { url: "https://api.spotify.com" }
}
