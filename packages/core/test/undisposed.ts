import { TokenClient, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer } from "effect"

// A program that never disposes of its client: it has to end by itself, and not before its callers were served.
const clientOf = (takes: string & `${number} millis`) =>
  TokenClient.make(
    TokenProvider.layer({
      key: "k",
      source: TokenSource.make({
        login: Effect.delay(
          Effect.sync(() => TokenSet.make({ accessToken: "a", expiresIn: "30 minutes" })),
          takes
        )
      })
    }).pipe(Layer.provide(MemoryTokenStore.layer))
  )

const token = await clientOf(process.argv[2] === "slow" ? "500 millis" : "0 millis").get()
console.log(`generation ${token.generation > 0}`)
