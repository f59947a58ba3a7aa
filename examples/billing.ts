import { FetchHttpClient } from "@effect/platform"
import { OAuth2, RefreshPolicy, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Console, Effect, Redacted, Schedule } from "effect"

const Billing = TokenProvider.layer({
  key: "billing",
  source: OAuth2.clientCredentials({
    tokenEndpoint: "https://auth.example.com/token",
    clientId: "billing",
    clientSecret: Redacted.make("…")
  }),
  policy: RefreshPolicy.make({
    ahead: RefreshPolicy.beforeExpiry("5 minutes"),
    retry: Schedule.exponential("200 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(4))),
    unauthorized: Schedule.recurs(1)
  })
})

const program = Effect.gen(function* () {
  const http = yield* TokenHttpClient.make({ origins: ["https://api.example.com"] })
  const response = yield* http.get("https://api.example.com/invoices")
  yield* Console.log(response.status, yield* response.text)
})

Effect.runPromise(
  program.pipe(Effect.provide(Billing), Effect.provide([MemoryTokenStore.layer, FetchHttpClient.layer]))
)
