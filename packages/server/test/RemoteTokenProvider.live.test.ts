import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { RemoteTokenProvider } from "@evertoken/client"
import { TokenHttpClient, TokenProvider, TokenSet } from "@evertoken/core"
import { Effect, Layer, Redacted } from "effect"
import { startServer } from "../../core/test/server.js"

const apiKey = Redacted.make("evk_canary")
const token = (accessToken: string) =>
  JSON.stringify({ key: "k", accessToken, tokenType: "Bearer", obtainedAt: 0, scopes: [], extra: {}, generation: 1 })
const json = { "content-type": "application/json" }
const tokens = TokenSet.make({ accessToken: "mine", refreshToken: "canary-refresh", expiresIn: "1 hour" })

describe("a token service that redirects", () => {
  const clients: Readonly<Record<string, Layer.Layer<HttpClient.HttpClient>>> = {
    fetch: FetchHttpClient.layer,
    "a client that follows redirects": Layer.effect(
      HttpClient.HttpClient,
      Effect.map(HttpClient.HttpClient, HttpClient.followRedirects())
    ).pipe(Layer.provide(FetchHttpClient.layer)),
    "fetch in a browser, which hides where a redirect leads": Layer.provide(
      FetchHttpClient.layer,
      Layer.succeed(FetchHttpClient.Fetch, async (input, init) => {
        const response = await fetch(input, init)
        return init?.redirect === "manual" && response.status >= 300 && response.status < 400
          ? Object.defineProperty(new Response(null), "status", { value: 0 })
          : response
      })
    )
  }
  for (const [how, http] of Object.entries(clients)) {
    for (const status of [302, 307]) {
      it.scopedLive(`P11: ${status} over ${how}: nothing goes elsewhere, and nothing from there is believed`, () =>
        Effect.gen(function* () {
          const other = yield* startServer(({ method }) =>
            method === "DELETE" ? { status: 204 } : { headers: json, body: token("theirs") }
          )
          const { origin } = yield* startServer(() => ({ status, headers: { location: `${other.origin}/v1/token` } }))
          const provider = yield* RemoteTokenProvider.make({ url: origin, apiKey, key: "k" }).pipe(Effect.provide(http))
          assert.strictEqual((yield* Effect.flip(provider.put(tokens)))._tag, "TokenStoreError")
          assert.strictEqual((yield* Effect.flip(provider.forget))._tag, "TokenStoreError")
          const got = yield* Effect.timeoutOption(Effect.exit(provider.get), "1 second")
          assert.deepStrictEqual(
            [got._tag === "Some" && got.value._tag === "Success", other.received.length],
            [false, 0]
          )
        })
      )
    }
  }
})

describe("put tells the service when tokens end, however that was said", () => {
  const at = (seconds: number) => Date.now() + seconds * 1_000
  const ends: ReadonlyArray<readonly [string, () => TokenSet, number | undefined, number | undefined]> = [
    ["expiresIn", () => TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }), 3_600, undefined],
    ["expiresAt", () => TokenSet.make({ accessToken: "a", expiresAt: new Date(at(600)) }), 600, undefined],
    ["no end", () => TokenSet.make({ accessToken: "a", refreshToken: "r" }), undefined, undefined],
    [
      "the end of the refresh token",
      () => TokenSet.make({ accessToken: "a", refreshToken: "r", refreshTokenExpiresAt: new Date(at(86_400)) }),
      undefined,
      86_400
    ]
  ]
  for (const [how, make, expiresIn, refreshTokenExpiresIn] of ends) {
    it.scopedLive(how, () =>
      Effect.gen(function* () {
        const { given, provider } = yield* service
        yield* provider.put(make())
        const [body] = given()
        assert.strictEqual(body.accessToken, "a")
        for (const [told, said] of [
          [body.expiresIn, expiresIn],
          [body.refreshTokenExpiresIn, refreshTokenExpiresIn]
        ]) {
          if (said === undefined) assert.isUndefined(told)
          else assert.approximately(told, said, 60)
        }
      })
    )
  }

  it.scopedLive("a refresh token alone: the access token in its place, which has ended, is not told", () =>
    Effect.gen(function* () {
      const { given, provider } = yield* service
      yield* provider.put(TokenSet.make({ accessToken: "placeholder", expiresAt: new Date(1), refreshToken: "r" }))
      const [body] = given()
      assert.deepStrictEqual([body.accessToken, body.expiresIn, body.refreshToken], [undefined, undefined, "r"])
    })
  )

  const service = Effect.gen(function* () {
    const { origin, received } = yield* startServer(() => ({ headers: json, body: token("at") }))
    const made = RemoteTokenProvider.make({ url: origin, apiKey, key: "k" })
    const provider = yield* Effect.provide(made, FetchHttpClient.layer)
    return { given: () => received.map(({ body }) => JSON.parse(body.toString())), provider }
  })
})

it.scopedLive("no token of a TokenHttpClient goes to the service: it is asked with the API key", () =>
  Effect.gen(function* () {
    const { origin, received } = yield* startServer(() => ({ headers: json, body: token("at") }))
    const provider: TokenProvider["Type"] = yield* RemoteTokenProvider.make({ url: origin, apiKey, key: "k" }).pipe(
      Effect.provide(FetchHttpClient.layer)
    )
    const around = yield* TokenHttpClient.make({ origins: [origin], provider: Effect.succeed(provider) }).pipe(
      Effect.provide(FetchHttpClient.layer)
    )
    yield* around.get(`${origin}/api`)
    assert.deepStrictEqual(
      received.map(({ headers }) => headers.authorization),
      ["Bearer evk_canary", "Bearer at"]
    )
  })
)
