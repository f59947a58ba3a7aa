import { OAuth2, Redacted, TokenClient } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"

const client = TokenClient.make({
  key: "billing",
  source: OAuth2.clientCredentials({
    tokenEndpoint: "https://auth.example.com/token",
    clientId: "billing",
    clientSecret: Redacted.make("…")
  }),
  store: MemoryTokenStore.layer,
  origins: ["https://api.example.com"]
})

const response = await client.fetch("https://api.example.com/invoices")
console.log(response.status, await response.text())
await client.dispose()
