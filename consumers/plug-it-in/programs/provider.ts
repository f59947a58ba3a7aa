import { FetchHttpClient } from "@effect/platform"
import { OAuth2, Redacted, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Layer } from "effect"

export const { API_URL: api = "https://api.example.com", AUTH_URL = "https://auth.example.com" } = process.env

export const Tokens = TokenProvider.layer({
  key: "example",
  source: OAuth2.clientCredentials({
    tokenEndpoint: `${AUTH_URL}/token`,
    clientId: "app",
    clientSecret: Redacted.make(process.env.CLIENT_SECRET ?? "secret")
  })
}).pipe(Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer]))
