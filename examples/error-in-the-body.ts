// Replaces a Ruby proc around each call: on an error status, or on a body that says ERROR with status 200, it refreshed
// the token and called once more. `rejected` is its look at the answer, `unauthorized` its one more call, and `errorCode`
// the same look at what the token endpoint says. There is no proc left that somebody could forget.
import { FetchHttpClient } from "@effect/platform"
import { RefreshPolicy, TokenEndpoint, TokenHttpClient, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Config, Effect, Layer, Predicate, Schedule } from "effect"

const ShopUrl = Config.string("SHOP_URL")
const saysError = (body: unknown) => Predicate.isString(body) && body.startsWith("ERROR")

// Nothing says when a token ends, so it is renewed when the shop refuses it.
const Source = Effect.flatMap(ShopUrl, (url) =>
  TokenEndpoint.make({
    refresh: {
      url: `${url}/token`,
      form: { grant_type: "refresh_token", refresh_token: TokenEndpoint.refreshToken }
    },
    errorCode: (body) => (saysError(body) ? "ERROR" : undefined),
    errors: { ERROR: "refused" }
  })
)

export const Shop = TokenProvider.layer({
  key: "shop",
  source: Source,
  policy: RefreshPolicy.make({ unauthorized: Schedule.recurs(1) })
}).pipe(Layer.provideMerge(Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer)))

// Once: the tokens that the proc had.
export const start = (accessToken: string, refreshToken: string) =>
  Effect.flatMap(TokenProvider, (shop) => shop.put(TokenSet.make({ accessToken, refreshToken })))

// From then on.
export const orders = Effect.gen(function* () {
  const http = yield* TokenHttpClient.make({
    baseUrl: yield* ShopUrl,
    rejected: ({ body, status }) => status === 403 || saysError(body())
  })
  const response = yield* http.get("/orders")
  const refusal = TokenHttpClient.refusal(response)
  return refusal === undefined ? yield* response.text : yield* Effect.fail(refusal)
})
