import { assert, describe, it } from "@effect/vitest"
import { fromProfile, ProviderProfile } from "@evertoken/core/profile"
import { Effect, Schema } from "effect"
import { answering } from "./network.js"

describe("a profile", () => {
  it.effect("does not decode with anything in it that nothing obeys, and says what would be right", () =>
    Effect.gen(function* () {
      const table: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, string, string]> = [
        [{ quirks: {} }, "profile.quirks", "one of"],
        [{ grant: ["login"] }, "profile.grant", 'did you mean "grants"?'],
        [{ verified: "yesterday" }, "profile.verified", "2026-11-30"],
        [{ traits: { replayWindw: "1 minute" } }, "profile.traits.replayWindw", 'did you mean "replayWindow"?'],
        [{ traits: { replayWindow: "30" } }, "profile.traits.replayWindow", "a duration"],
        [{ answer: { expires: { days: "expires_in" } } }, "profile.answer.expires.days", '"seconds"'],
        [{ answer: { expires: { second: "expires_in" } } }, "profile.answer.expires.second", 'did you mean "seconds"?'],
        [{ answer: { expires: {} } }, "profile.answer.expires", 'one of "seconds"'],
        [{ answer: { expires: { jwt: "t", fixed: "1 hour" } } }, "profile.answer.expires", "one of"],
        [{ answer: { expires: [{ fixed: "soon" }] } }, "profile.answer.expires.0.fixed", "a duration"],
        [{ answer: { expires: { clock: "ttl", format: "hh:mm" } } }, "profile.answer.expires.format", "D:HH:MM:SS"],
        [{ answer: { tokenType: "User Token" } }, "profile.answer.tokenType", "HTTP calls a token"],
        [{ errors: { meanings: { gone: "dead" } } }, "profile.errors.meanings.gone", '"refused"'],
        [{ tenant: { shop: "[a-z" } }, "profile.tenant.shop", "a regular expression"],

        // Each part is right, and yet nothing comes of it.
        [{ token: { url: "http://auth.example.com/token" } }, "profile.token.url", "https"],
        [{ token: { url: "https://{shop}.example.com/token" } }, "profile.token.url", "than none"],
        [{ tenant: { shop: "[a-z]+" } }, "profile.tenant", '"{shop}" in a text'],
        [{ secrets: ["apiKey"] }, "profile.secrets", '"{apiKey}" in a text'],
        [{ values: { at: { now: "seconds" } } }, "profile.values", '"{at}" in a text'],
        [{ client: undefined }, "profile.client", "how the client proves itself"],
        [{ authorize: { url: "https://auth.example.com" } }, "profile.authorize", '"authorization_code"'],
        [{ login: { url: "https://auth.example.com" } }, "profile.login", '"login"'],
        [{ grants: ["login"] }, "profile.login", 'the grant "login" needs it'],
        [{ grants: ["authorization_code"] }, "profile.authorize", "needs it"],
        [{ grants: ["client_credentials"], traits: { keepAlive: "1 day" } }, "profile.traits.keepAlive", "a refresh"],
        [{ traits: { revokes: "replaced" } }, "profile.traits.revokes", "a `revoke` beside it"],
        [
          {
            ...{ grants: ["authorization_code"], authorize: { url: "https://a.example.com" } },
            exchange: { url: "https://a.example.com", form: { code: "{code}" } }
          },
          "profile.authorize.pkce",
          "{verifier}"
        ],
        [
          { grants: ["authorization_code"], authorize: { url: "https://a.example.com", clientIdName: "key" } },
          "profile.authorize.clientIdName",
          "`exchange`"
        ],
        [{ answer: { extendsAccessToken: true } }, "profile.answer.extendsAccessToken", "`refresh`"],
        [
          { refresh: { url: "https://a.example.com", form: { t: "{refresh_token}" } } },
          "profile.refresh",
          '"{refreshToken}"'
        ],
        [
          { refresh: { url: "https://a.example.com", form: { t: "Bearer {env:TOKEN}" } } },
          "profile.refresh",
          'no other names in braces than "{clientId}"'
        ],
        [{ api: { url: "https://{site}" } }, "profile.api.url", "than none"],
        [{ answer: { keep: ["site"] }, api: { url: "{sit}" } }, "profile.api.url", 'did you mean "{site}"?'],
        [{ answer: { keep: ["site"] }, api: { url: "{site}" } }, "profile.api.hosts", "comes with the token"],
        [{ answer: { keep: ["site"] }, api: { url: "{site}", hosts: ".+" } }, "profile.api.hosts", "others do not"],
        [{ answer: { keep: ["site"] }, api: { url: "{site}", hosts: "[" } }, "profile.api.hosts", "regular expression"],
        [{ answer: { keep: ["site"] }, api: { url: "http://{site}", hosts: "a\\.b" } }, "profile.api.url", "https"],
        [{ api: { url: "https://a.example.com", hosts: "a\\.example\\.com" } }, "profile.api.hosts", "`answer.keep`"],
        [
          { tenant: { site: "[a-z]+" }, answer: { keep: ["site"] }, api: { url: "https://{site}", hosts: "a\\.b" } },
          "profile.api.url",
          'one meaning for "site"'
        ],
        [{ api: { query: "token", header: "X-Token" } }, "profile.api.header", "no `query`"],
        [{ api: { query: "token", scheme: "Token" } }, "profile.api.scheme", "no `query`"],
        [{ ...signing, values: { at: jwt({ header: { alg: "none" } }) } }, "profile.values.at.jwt.header.alg", "keyId"],
        [
          { refresh: [{ url: "https://a.example.com" }, { url: "https://a.example.com", form: { a: "{code}" } }] },
          "profile.refresh",
          '"{refreshToken}"'
        ],
        [{ ...signing, values: { at: jwt({ keyAs: "hex" }) } }, "profile.values.at.jwt.keyAs", "HS256"],
        [{ ...signing, values: { at: jwt({ algorithm: "HS1" }) } }, "profile.values.at.jwt.algorithm", "HS512"],
        [{ tenant: { "a-b": ".+" } }, "profile.tenant.a-b", "letters and digits"],
        [
          { grants: ["login"], login: { url: "https://a.example.com", form: { t: "{accessToken}" } } },
          "profile.login",
          "no other names"
        ],
        [
          {
            ...{ grants: ["login"], values: { basic: { base64: "{refreshToken}" } } },
            login: { url: "https://a.example.com", form: { t: "{basic}" } }
          },
          "profile.login",
          "there are no tokens yet"
        ],
        [
          {
            ...{ tenant: { apiKey: ".+" }, secrets: ["apiKey"] },
            refresh: { url: "https://a.example.com/{apiKey}" }
          },
          "profile.secrets",
          "one meaning"
        ]
      ]
      for (const [part, option, expected] of table) {
        const given: ProviderProfile = Object.assign({}, base, part)
        const made = Effect.provide(
          fromProfile(given, {}),
          answering([], () => new Response())
        )
        const error = yield* Effect.flip(made)
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", option])
        assert.include(error.expected, expected, option)
      }
    })
  )

  it("is plain JSON: what decodes is what was written", () => {
    const text = JSON.stringify({
      ...base,
      tenant: { shop: "[a-z]+" },
      token: { url: "https://{shop}.example.com/token", scopeOnRefresh: "original" },
      answer: { expires: [{ seconds: "expires_in" }, { fixed: "1 hour" }], keep: ["site"] },
      traits: { replayWindow: "30 minutes", revokesAccessToken: true },
      notes: ["rotates"]
    })
    const decoded = Schema.decodeUnknownSync(Schema.parseJson(ProviderProfile), { onExcessProperty: "error" })(text)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(decoded)), JSON.parse(text))
  })
})

const base: ProviderProfile = {
  ...{ id: "example", name: "Example", docs: ["https://docs.example.com"], verified: "2026-11-30" },
  grants: ["refresh_token"],
  client: { authentication: "post" },
  token: { url: "https://auth.example.com/token" }
}

const signing = { secrets: ["key"] }
const jwt = (more: object) => ({ jwt: { key: "key", claims: {}, lifetime: "1 minute", ...more } })
