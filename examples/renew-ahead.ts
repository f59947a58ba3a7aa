// Replaces an Elixir GenServer that kept a token in its state, sent itself a message a minute before the token's end, and
// tried again every 5 seconds when that failed. Its `init` is the layer, `handle_call(:token, …)` is `get`, and the two
// `Process.send_after` are `ahead` and `retry`. It needs no supervisor: a renewal that fails ends nothing.
import { FetchHttpClient } from "@effect/platform"
import { OAuth2, RefreshPolicy, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Config, Effect, Layer, Schedule } from "effect"

const Source = Config.all({
  tokenEndpoint: Config.string("TOKEN_URL"),
  clientId: Config.string("CLIENT_ID"),
  clientSecret: Config.redacted("CLIENT_SECRET")
}).pipe(Effect.flatMap(OAuth2.clientCredentials))

const Provider = TokenProvider.layer({
  key: "billing",
  source: Source,
  policy: RefreshPolicy.make({
    ahead: RefreshPolicy.beforeExpiry("1 minute"),
    retry: Schedule.spaced("5 seconds")
  })
})

// The first token is fetched at once, and not only when somebody asks.
const Init = Layer.scopedDiscard(
  Effect.flatMap(TokenProvider, ({ get }) => Effect.forkScoped(Effect.retry(get, Schedule.spaced("5 seconds"))))
)

export const TokenServer = Init.pipe(
  Layer.provideMerge(Provider),
  Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer])
)

// `GenServer.call(TokenServer, :token)`: the token that still holds, even while renewing it fails.
export const token = Effect.flatMap(TokenProvider, ({ get }) => get)
