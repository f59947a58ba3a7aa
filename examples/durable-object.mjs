import { DurableObject } from "cloudflare:workers"
import { OAuth2, Redacted, TokenClient } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"

export class Billing extends DurableObject {
  client = TokenClient.make({
    key: "billing",
    source: OAuth2.clientCredentials({
      tokenEndpoint: "https://auth.example.com/token",
      clientId: "billing",
      clientSecret: Redacted.make(this.env.BILLING_SECRET)
    }),
    store: MemoryTokenStore.layer,
    origins: ["https://api.example.com"]
  })

  fetch() {
    return this.client.fetch("https://api.example.com/invoices")
  }
}

export default {
  fetch: (request, env) => env.BILLING.get(env.BILLING.idFromName("billing")).fetch(request)
}
