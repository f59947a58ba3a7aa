import { FetchHttpClient } from "@effect/platform"
import { OAuth2, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"

const Billing = TokenProvider.layer({
  key: "billing",
  source: OAuth2.clientCredentials({
    tokenEndpoint: "https://auth.example.com/token",
    clientId: "billing",
    clientSecret: Redacted.make("…")
  })
})

export const runtime = ManagedRuntime.make(
  Layer.provideMerge(Billing, Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer))
)

export const invoices = () =>
  runtime.runPromise(
    Effect.gen(function* () {
      const http = yield* TokenHttpClient.make({ origins: ["https://api.example.com"] })
      const response = yield* http.get("https://api.example.com/invoices")
      return yield* response.text
    })
  )

process.on("SIGTERM", () => runtime.dispose())
