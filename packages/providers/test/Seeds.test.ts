import { assert, describe, it } from "@effect/vitest"
import { Expiry, OAuth2, TokenEndpoint, TokenSet, type TokenSource } from "@evertoken/core"
import { fromProfile, type ProfileInputs, type ProviderProfile } from "@evertoken/core/profile"
import { FakeResourceServer } from "@evertoken/core/testing"
import { Effect, Redacted } from "effect"

const url = "https://far.example.com"
const secret = Redacted.make("s3cret")

/** The sources of the four programs that this SDK was made for, once in code and once as a profile. */
const seeds = [
  {
    name: "a refresh around each call",
    answer: { data: { token: "at-1" } },
    source: TokenEndpoint.make({
      login: { url: `${url}/authorize_endpoint`, headers: { "X-Client-Id": "app", "X-Client-Secret": secret } },
      fields: { accessToken: "data.token" },
      expiry: Expiry.fixed("15 minutes")
    }),
    profile: {
      grants: ["login"],
      login: {
        url: `${url}/authorize_endpoint`,
        headers: { "X-Client-Id": "{clientId}", "X-Client-Secret": "{clientSecret}" }
      },
      answer: { accessToken: "data.token", expires: { fixed: "15 minutes" } }
    },
    inputs: { clientId: "app", clientSecret: secret }
  },
  {
    name: "a token that is always warm",
    answer: { access_token: "at-1", expires_in: 1800 },
    source: OAuth2.clientCredentials({ tokenEndpoint: url, clientId: "app", clientSecret: secret }),
    profile: { grants: ["client_credentials"], client: { authentication: "basic" }, token: { url } },
    inputs: { clientId: "app", clientSecret: secret }
  },
  {
    name: "many streams, one refresh",
    answer: { accessToken: "at-1", refresh_token: "rt-2" },
    source: TokenEndpoint.make({
      refresh: { url: `${url}/refresh`, json: { refreshToken: TokenEndpoint.refreshToken } },
      fields: { accessToken: "accessToken" },
      errors: { "401": "refused" }
    }),
    profile: {
      grants: ["refresh_token"],
      refresh: { url: `${url}/refresh`, json: { refreshToken: "{refreshToken}" } },
      answer: { accessToken: "accessToken" },
      errors: { meanings: { "401": "refused" } }
    },
    inputs: {}
  },
  {
    name: "a table, a worker, a service",
    answer: {
      authorization: { token: "at-1", type: "Bearer", expiresIn: 3600, note: "n" },
      refresh: { token: "rt-2", expiresIn: 7200 }
    },
    source: TokenEndpoint.make({
      login: {
        url: `${url}/login`,
        headers: { "Subscription-Key": secret },
        json: { username: "robot", password: secret }
      },
      refresh: {
        url: `${url}/refresh`,
        headers: { "Subscription-Key": secret },
        json: { token: TokenEndpoint.refreshToken }
      },
      fields: { accessToken: "authorization.token", tokenType: "authorization.type", refreshToken: "refresh.token" },
      expiry: Expiry.seconds("authorization.expiresIn"),
      refreshExpiry: Expiry.seconds("refresh.expiresIn"),
      keep: ["authorization.note"],
      errors: { "401": "refused" }
    }),
    profile: {
      grants: ["login"],
      secrets: ["subscription", "password"],
      login: {
        url: `${url}/login`,
        headers: { "Subscription-Key": "{subscription}" },
        json: { username: "{clientId}", password: "{password}" }
      },
      refresh: {
        url: `${url}/refresh`,
        headers: { "Subscription-Key": "{subscription}" },
        json: { token: "{refreshToken}" }
      },
      answer: {
        ...{ accessToken: "authorization.token", tokenTypeAt: "authorization.type", refreshToken: "refresh.token" },
        ...{ expires: { seconds: "authorization.expiresIn" }, refreshExpires: { seconds: "refresh.expiresIn" } },
        keep: ["authorization.note"]
      },
      errors: { meanings: { "401": "refused" } }
    },
    inputs: { clientId: "robot", secrets: { subscription: secret, password: secret } }
  }
] as const satisfies ReadonlyArray<{
  readonly name: string
  readonly answer: object
  readonly source: unknown
  readonly profile: ProviderProfile
  readonly inputs: ProfileInputs
}>

describe("the source of a seed", () => {
  for (const { answer, inputs, name, profile, source } of seeds) {
    it.effect(`is a profile too: ${name}`, () =>
      Effect.gen(function* () {
        const asked = (made: typeof source | ReturnType<typeof fromProfile>) =>
          Effect.gen(function* () {
            for (const response of [() => Response.json(answer), () => new Response("", { status: 401 })]) {
              const { layer, log } = FakeResourceServer.make({ answer: response })
              const { login, refresh }: TokenSource = yield* Effect.provide(made, layer)
              const current = TokenSet.make({ accessToken: "at-0", refreshToken: "rt-1" })
              const results = yield* Effect.forEach([login, refresh?.(current)], (effect) =>
                effect === undefined ? Effect.succeed(undefined) : Effect.either(effect)
              )
              told.push(log.map(({ body, headers, method, url }) => [method, url.href, body, headers]))
              told.push(results.map((one) => one && (one._tag === "Left" ? one.left._tag : valuesOf(one.right))))
            }
          })
        const told: Array<unknown> = []
        yield* asked(source)
        const inCode = told.splice(0)
        yield* asked(fromProfile(profile, inputs))
        assert.isNotEmpty(inCode)
        assert.deepStrictEqual(told, inCode)
      })
    )
  }
})

const valuesOf = ({ accessToken, refreshToken, ...rest }: TokenSet) => [
  Redacted.value(accessToken),
  refreshToken && Redacted.value(refreshToken),
  { ...rest }
]
