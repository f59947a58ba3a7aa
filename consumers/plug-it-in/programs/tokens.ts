import { OAuth2, Redacted, TokenClient } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"

export const { API_URL: api = "https://api.example.com", AUTH_URL = "https://auth.example.com" } = process.env

export const client = TokenClient.make({
  key: "example",
  source: OAuth2.clientCredentials({
    tokenEndpoint: `${AUTH_URL}/token`,
    clientId: "app",
    clientSecret: Redacted.make(process.env.CLIENT_SECRET ?? "secret")
  }),
  store: MemoryTokenStore.layer,
  origins: [api],
  replaceHeader: true // for libraries that want a key of their own, and send it
})
