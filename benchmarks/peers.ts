import { bearerTokenAuthenticationPolicy, createHttpHeaders, createPipelineRequest } from "@azure/core-rest-pipeline"
import { TokenClient, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { memoize } from "@smithy/property-provider"
import { Effect, Layer } from "effect"
import { OAuth2Client } from "google-auth-library"
import { inTurn, type Row, within } from "./measure.js"

const CALLS = 20_000

const many = (call: () => Promise<unknown>) => async () => {
  for (let calls = 0; calls < CALLS; calls++) await call()
}

/** `TokenClient.get()` while fresh against what other libraries take to hand out a token they have. */
export const handOut = async (): Promise<ReadonlyArray<Row>> => {
  const login = Effect.succeed(TokenSet.make({ accessToken: "token", expiresIn: "1 hour" }))
  const provider = TokenProvider.layer({ key: "k", source: TokenSource.make({ login }) })
  const client = TokenClient.make(Layer.provide(provider, MemoryTokenStore.layer))

  const google = new OAuth2Client()
  google.setCredentials({ access_token: "token", refresh_token: "refresh", expiry_date: Date.now() + 3_600_000 })

  const expiration = new Date(Date.now() + 3_600_000)
  const smithy = memoize(
    async () => ({ token: "token", expiration }),
    ({ expiration }) => expiration.getTime() - Date.now() < 300_000,
    ({ expiration }) => expiration !== undefined
  )

  const getToken = async () => ({ token: "token", expiresOnTimestamp: Date.now() + 3_600_000 })
  const azure = bearerTokenAuthenticationPolicy({ credential: { getToken }, scopes: "scope" })
  const request = createPipelineRequest({ url: "https://api.example.com/" })
  const response = { request, headers: createHttpHeaders(), status: 200 }

  const times = await inTurn(
    {
      evertoken: many(() => client.get()),
      google: many(() => google.getAccessToken()),
      smithy: many(() => smithy()),
      azure: many(() => azure.sendRequest(request, () => Promise.resolve(response)))
    },
    15
  )
  await client.dispose()
  return [
    within("TokenClient.get() while fresh / google-auth-library's getAccessToken()", times.evertoken, times.google, 1),
    within("TokenClient.get() while fresh / @smithy/property-provider's memoize", times.evertoken, times.smithy, 1),
    within("TokenClient.get() while fresh / Azure's bearer token policy", times.evertoken, times.azure, 1)
  ]
}
