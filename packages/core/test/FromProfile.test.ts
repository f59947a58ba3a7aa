import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { TokenHttpClient, TokenSet } from "@evertoken/core"
import { apiOf, fromProfile, type ProfileInputs, type ProviderProfile } from "@evertoken/core/profile"
import { FakeResourceServer } from "@evertoken/core/testing"
import { Effect, Encoding, Redacted, TestClock } from "effect"
import { jwtVerify } from "jose"
import { generateKey } from "../src/transport/SigningKey.js"
import { fakeProvider } from "./api.js"
import { answering, type Sent } from "./network.js"

describe("a source of a profile", () => {
  it.effect("refreshes at the token endpoint as the profile says, for the tenant that was named", () =>
    Effect.gen(function* () {
      const { sent, source } = yield* make({
        ...base,
        tenant: { shop: "[a-z0-9-]+" },
        grants: ["authorization_code"],
        authorize: { url: "https://{shop}.example.com/authorize" },
        token: { url: "https://{shop}.example.com/token", parameters: { audience: "{shop}" } },
        answer: { expires: { minutes: "lives" }, keep: ["site"] },
        traits: { replayWindow: "30 minutes", keepAlive: "5 days" }
      })({ clientId: "app", clientSecret, tenant: { shop: "acme" } }, { ...answer, lives: 20, site: 7 })
      const tokens = yield* refreshed(source)
      assert.deepStrictEqual(
        [sent[0]?.url, sent[0]?.form],
        [
          "https://acme.example.com/token",
          {
            audience: "acme",
            grant_type: "refresh_token",
            refresh_token: "r-1",
            ...{ client_id: "app", client_secret: "s3cret" }
          }
        ]
      )
      assert.strictEqual(tokens.expiresIn?.pipe(String), "Duration(20m)")
      assert.deepStrictEqual(tokens.extra, { site: 7 })
      assert.strictEqual(String(source.traits.replayWindow), "Duration(30m)")
      assert.strictEqual(String(source.traits.keepAlive), "Duration(5d)")
    })
  )

  it.effect("sends a request of its own, with secrets, tokens and what is made for each request inside of texts", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const profile: ProviderProfile = {
        ...declared,
        secrets: ["apiKey"],
        values: {
          at: { now: "seconds" },
          signature: { "hmac-sha256": "{clientId}.{at}.{refreshToken}", key: "{apiKey}", as: "hex" },
          basic: { base64: "{clientSecret}:" }
        },
        refresh: {
          url: "https://api.example.com/refresh",
          headers: {
            authorization: "Basic {basic}",
            "x-key": "ID {apiKey}",
            "x-at": "{at}",
            "x-sign": "v1={signature}"
          },
          json: {
            session: { token: "t:{refreshToken}", days: 7, remember: true, of: ["{accessToken}", { at: "{at}" }] }
          }
        }
      }
      const { sent, source } = yield* make(profile)(
        { clientId: "app", clientSecret, secrets: { apiKey: Redacted.make("key-1") } },
        answer
      )
      yield* refreshed(source)
      const { headers, text } = sent[0] ?? assert.fail("nothing was sent")
      const at = "1767225600"
      assert.strictEqual(headers.authorization, `Basic ${btoa("s3cret:")}`)
      assert.strictEqual(headers["x-key"], "ID key-1")
      assert.strictEqual(headers["x-at"], at)
      assert.strictEqual(headers["x-sign"], `v1=${yield* hmac("key-1", `app.${at}.r-1`)}`)
      const session = { token: "t:r-1", days: 7, remember: true, of: ["a-1", { at }] }
      assert.deepStrictEqual(JSON.parse(text), { session })
    })
  )

  it.effect("makes a value once for each request, whatever stands in it", () =>
    Effect.gen(function* () {
      const profile: ProviderProfile = {
        ...declared,
        values: {
          nonce: { random: "uuid" },
          key: { "hmac-sha256": "{nonce}", key: "{clientSecret}", as: "base64url" }
        },
        refresh: {
          url: "https://api.example.com/refresh",
          query: { n: "n-{nonce}" },
          form: { n: "{nonce}", key: "{key}" }
        }
      }
      const { sent, source } = yield* make(profile)({ clientSecret }, answer)
      yield* refreshed(source)
      yield* refreshed(source)
      const [first, second] = sent.map(({ form, url }) => [new URL(url).searchParams.get("n"), `n-${form.n}`])
      assert.isTrue(first !== undefined && first[0] === first[1])
      assert.isTrue(second !== undefined && second[0] === second[1] && second[0] !== first?.[0])
      assert.notStrictEqual(sent[0]?.form.key, sent[1]?.form.key)
    })
  )

  it.effect("repeats no secret of a text in an error", () =>
    Effect.gen(function* () {
      const profile: ProviderProfile = {
        ...declared,
        refresh: { url: "https://api.example.com/refresh", headers: { "x-key": "id={clientSecret};v=1" } }
      }
      const said = { error: "nope", error_description: "what is s3cret for" }
      const { source } = yield* make(profile)({ clientSecret }, said, 400)
      const error = yield* Effect.flip(refreshed(source))
      assert.include(error.message, "what is")
      assert.notInclude(JSON.stringify([error, error.message]), "s3cret")
    })
  )

  it.effect("logs a person in, also where the code is exchanged by a request of its own", () =>
    Effect.gen(function* () {
      const exchange = {
        url: "https://login.example.com/session",
        json: { client_key: "{clientId}", secret: "{clientSecret}", auth_code: "{code}", to: "{redirectUri}" }
      }
      const profile: ProviderProfile = {
        ...declared,
        grants: ["authorization_code"],
        authorize: {
          url: "https://login.example.com/authorize",
          parameters: { duration: "permanent" },
          ...{ scopes: ["offline"], scopeSeparator: ",", clientIdName: "client_key", pkce: false }
        },
        exchange,
        answer: { accessToken: "data.token", refreshToken: "data.again" }
      }
      const sent: Array<Sent> = []
      const login = yield* fromProfile(profile, {
        grant: "authorization_code",
        ...{ clientId: "app", clientSecret, redirectUri: "https://app.example.com/back", scope: ["read", "write"] }
      }).pipe(Effect.provide(answering(sent, () => Response.json({ data: { token: "a-1", again: "r-1" } }))))
      const started = yield* login.authorize()
      const asked = new URL(started.url)
      assert.deepStrictEqual(Object.fromEntries(asked.searchParams), {
        duration: "permanent",
        response_type: "code",
        client_key: "app",
        redirect_uri: "https://app.example.com/back",
        scope: "read,write,offline",
        state: started.state
      })
      const tokens = yield* login.exchange(`https://app.example.com/back?code=c-1&state=${started.state}`, started)
      assert.deepStrictEqual(JSON.parse(sent[0]?.text ?? ""), {
        ...{ client_key: "app", secret: "s3cret", auth_code: "c-1", to: "https://app.example.com/back" }
      })
      assert.strictEqual(tokens.refreshToken && Redacted.value(tokens.refreshToken), "r-1")
      assert.isTrue(
        (yield* Effect.flip(login.exchange("https://app.example.com/back?code=c&state=x", started)))._tag ===
          "GrantRejected"
      )
      assert.lengthOf(sent, 1)
    })
  )

  it.effect("goes in steps, each with the tokens of the one before, and tells the first that fails", () =>
    Effect.gen(function* () {
      const profile: ProviderProfile = {
        ...declared,
        grants: ["login", "authorization_code"],
        authorize: { url: "https://login.example.com/authorize", pkce: false },
        exchange: [
          { url: "https://a.example.com/short", form: { code: "{code}" } },
          { url: "https://b.example.com/long", method: "GET", query: { old: "{accessToken}" } }
        ],
        login: [
          { url: "https://a.example.com/key", answer: { accessToken: "key", refreshToken: "kept" } },
          {
            url: "https://b.example.com/session",
            headers: { authorization: "Key {accessToken}" },
            answer: { accessToken: "session" }
          }
        ]
      }
      const sent: Array<Sent> = []
      const answers: Array<Response> = []
      const answer = () => answers.shift() ?? Response.json({ error: "server_error" }, { status: 500 })
      const inputs = {
        clientId: "app",
        redirectUri: "https://app.example.com/back",
        grant: "authorization_code"
      } as const
      const { login } = yield* fromProfile(profile, { grant: "login" }).pipe(Effect.provide(answering(sent, answer)))
      answers.push(Response.json({ key: "k-1", kept: "r-1" }), Response.json({ session: "s-1" }))
      const tokens = yield* login ?? Effect.dieMessage("no login")
      assert.strictEqual(sent[1]?.headers.authorization, "Key k-1")
      assert.deepStrictEqual(
        [tokens.accessToken, tokens.refreshToken].map((one) => one && Redacted.value(one)),
        ["s-1", "r-1"]
      )
      answers.push(Response.json({ key: "k-1" }))
      assert.strictEqual(
        (yield* Effect.flip(login ?? Effect.dieMessage("no login"))).message.includes("server_error"),
        true
      )

      const code = yield* fromProfile(profile, inputs).pipe(Effect.provide(answering(sent, answer)))
      const started = yield* code.authorize()
      answers.push(Response.json({ access_token: "short" }), Response.json({ access_token: "long" }))
      const exchanged = yield* code.exchange(`https://app.example.com/back?code=c-1&state=${started.state}`, started)
      assert.strictEqual(Redacted.value(exchanged.accessToken), "long")
      assert.strictEqual(sent.at(-1)?.url, "https://b.example.com/long?old=short")
    })
  )

  it.effect("signs a token here where no request is needed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const key = yield* generateKey
      const sent: Array<Sent> = []
      const { login } = yield* fromProfile(
        {
          grants: ["login"],
          secrets: ["key"],
          tenant: { issuer: "[\\w-]+" },
          values: {
            proof: {
              jwt: { key: "key", algorithm: "ES256", claims: { iss: "{issuer}", aud: "api" }, lifetime: "20 minutes" }
            }
          },
          login: { token: "{proof}", lives: "19 minutes" }
        },
        { secrets: { key }, tenant: { issuer: "team-1" } }
      ).pipe(Effect.provide(answering(sent, () => new Response())))
      const tokens = yield* login ?? Effect.dieMessage("no login")
      const [, payload = ""] = Redacted.value(tokens.accessToken).split(".")
      const claims = JSON.parse(atob(payload))
      assert.deepInclude(claims, { iss: "team-1", aud: "api", iat: 1767225590, exp: 1767226790 })
      assert.strictEqual(String(tokens.expiresIn), "Duration(19m)")
      assert.lengthOf(sent, 0)
    })
  )

  it.effect("signs by a secret that both sides have, as it is written", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const bytes = new TextEncoder().encode("a secret of 32 bytes and more 123")
      for (const [keyAs, key] of [
        [undefined, "a secret of 32 bytes and more 123"],
        ["hex", Encoding.encodeHex(bytes)],
        ["base64", Encoding.encodeBase64(bytes)]
      ] as const) {
        const { login } = yield* fromProfile(
          {
            grants: ["login"],
            ...{ secrets: ["key"], tenant: { id: "\\w+" } },
            values: {
              proof: {
                jwt: {
                  key: "key",
                  keyAs,
                  algorithm: "HS256",
                  keyId: "{id}",
                  claims: { aud: "/admin/" },
                  lifetime: "5 minutes"
                }
              }
            },
            login: { token: "{proof}", lives: "4 minutes" }
          },
          { secrets: { key: Redacted.make(key) }, tenant: { id: "k1" } }
        ).pipe(Effect.provide(answering([], () => new Response())))
        const { accessToken } = yield* login ?? Effect.dieMessage("no login")
        const verified = yield* Effect.promise(() =>
          jwtVerify(Redacted.value(accessToken), bytes, { currentDate: new Date(Date.UTC(2026, 0, 1)) })
        )
        assert.deepStrictEqual(verified.protectedHeader, { alg: "HS256", kid: "k1" })
        assert.deepStrictEqual(verified.payload, { aud: "/admin/", iat: 1767225590, exp: 1767225890 })
      }
      const wrong = fromProfile(
        {
          grants: ["login"],
          secrets: ["key"],
          values: {
            proof: { jwt: { key: "key", keyAs: "hex", algorithm: "HS256", claims: {}, lifetime: "5 minutes" } }
          },
          login: { token: "{proof}", lives: "4 minutes" }
        },
        { secrets: { key: Redacted.make("canary") } }
      ).pipe(Effect.provide(answering([], () => new Response())), Effect.flip)
      const error = yield* wrong
      assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", "secrets.key"])
      assert.notInclude(error.message, "canary")
    })
  )

  it.effect("makes digests and days for its requests, as secret as what is in them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 31, 23))
      const profile: ProviderProfile = {
        ...declared,
        values: {
          day: { now: "date" },
          tomorrow: { now: "date", after: "1 day" },
          later: { now: "seconds", after: "5 minutes" },
          plain: { sha256: "abc", as: "hex" },
          digest: { sha1: "{day}{clientSecret}", as: "base64" }
        },
        refresh: {
          url: "https://api.example.com/refresh",
          form: { a: "{day} {tomorrow} {later}", plain: "{plain}", digest: "{digest}" }
        }
      }
      const said = { error: "nope", error_description: "" }
      const { sent, source } = yield* make(profile)({ clientSecret }, said, 400)
      yield* Effect.flip(refreshed(source))
      assert.deepStrictEqual(sent[0]?.form, {
        a: "2026-01-31 2026-02-01 1769900700",
        plain: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        digest: createHash("sha1").update("2026-01-31s3cret").digest("base64")
      })
      const echo = { error: "nope", error_description: `what is ${sent[0]?.form.digest} for` }
      const again = yield* make(profile)({ clientSecret }, echo, 400)
      assert.notInclude((yield* Effect.flip(refreshed(again.source))).message, `${sent[0]?.form.digest}`)
    })
  )

  it.effect("has what an error means, and where a body tells it", () =>
    Effect.gen(function* () {
      const table: ReadonlyArray<readonly [ProviderProfile["errors"], unknown, number, string]> = [
        [
          { success: { at: "ok", is: [true] }, code: "error", meanings: { gone: "refused" } },
          { ok: false, error: "gone" },
          200,
          "GrantRejected"
        ],
        [{ code: "message", meanings: { Gone: "refused" } }, { message: "Gone" }, 400, "GrantRejected"],
        [{ meanings: { "403": "refused" } }, {}, 403, "GrantRejected"],
        [{ code: "errors.0.type" }, { errors: [{ type: "invalid_client" }] }, 400, "ClientRejected"]
      ]
      for (const [errors, body, status, tag] of table) {
        const { source } = yield* make({ ...base, ...(errors === undefined ? {} : { errors }) })(client, body, status)
        assert.strictEqual((yield* Effect.flip(refreshed(source)))._tag, tag)
      }
    })
  )

  it.effect("names an input that is missing, unknown, wrong or without effect", () =>
    Effect.gen(function* () {
      const shop: ProviderProfile = {
        ...base,
        tenant: { shop: "[a-z.-]+" },
        token: { url: "https://{shop}.example.com/token" }
      }
      const key: ProviderProfile = {
        ...declared,
        secrets: ["apiKey"],
        refresh: { url: "https://a.example.com", query: { k: "{apiKey}" } }
      }
      const table: ReadonlyArray<readonly [ProviderProfile, ProfileInputs, string, string]> = [
        [shop, client, "tenant", '"shop"'],
        [shop, { ...client, tenant: {} }, "tenant.shop", "[a-z.-]+"],
        [shop, { ...client, tenant: { shop: "acme.evil.com/" } }, "tenant.shop", "matches"],
        [{ ...shop, tenant: { shop: ".*" } }, { ...client, tenant: { shop: "evil.com#" } }, "tenant.shop", "matches"],
        [{ ...shop, tenant: { shop: ".*" } }, { ...client, tenant: { shop: ".." } }, "tenant.shop", "matches"],
        [shop, { ...client, tenant: { shop: "acme", shopp: "x" } }, "tenant.shopp", 'did you mean "shop"?'],
        [base, { ...client, tenant: { shop: "acme" } }, "tenant", "known option"],
        [key, {}, "secrets", '"apiKey"'],
        [key, { secrets: { apikey: Redacted.make("x") } }, "secrets.apikey", 'did you mean "apiKey"?'],
        [key, { secrets: { apiKey: Redacted.make("") } }, "secrets.apiKey", "not empty"],
        [key, { secrets: { apiKey: Redacted.make("x") }, clientSecret }, "clientSecret", "known option"],
        [
          { ...key, secrets: [], refresh: { url: "https://a.example.com", query: { k: "{clientSecret}" } } },
          {},
          "clientSecret",
          "in a text"
        ],
        [base, { clientSecret }, "clientId", "knows the client by"],
        [base, { clientId: "app" }, "clientSecret", "not empty"],
        [base, { ...client, grant: "login" }, "grant", "refresh_token"],
        [base, { ...client, redirectUri: "https://app.example.com" }, "redirectUri", "known option"]
      ]
      for (const [profile, inputs, option, expected] of table) {
        const error = yield* Effect.flip(
          Effect.provide(
            fromProfile(profile, inputs),
            answering([], () => new Response())
          )
        )
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", option])
        assert.include(error.expected, expected)
      }
    })
  )

  it.effect("says how its API takes the token", () =>
    Effect.gen(function* () {
      const api = yield* apiOf(
        {
          ...base,
          tenant: { shop: "[a-z]+" },
          api: { url: "https://{shop}.example.com/v1", header: "X-Token", rejected: [403] }
        },
        { tenant: { shop: "acme" } }
      )
      assert.deepInclude(api, { baseUrl: "https://acme.example.com/v1", header: "X-Token" })
      assert.deepStrictEqual(
        [403, 404].map((status) => api.rejected?.({ status })),
        [true, false]
      )
      assert.deepStrictEqual(yield* apiOf({ ...base, api: { query: "access_token" } }), { query: "access_token" })
    })
  )

  it.scoped("says where its API is by what was kept with the token, and hosts that this may be", () =>
    Effect.gen(function* () {
      const profile: ProviderProfile = {
        ...base,
        tenant: { version: "v\\d+" },
        answer: { keep: ["site.host", "account"] },
        api: { url: "https://{site.host}/{version}/{account}", hosts: "[a-z]+\\.example\\.com" }
      }
      const { address } = yield* apiOf(profile, { tenant: { version: "v3" } })
      const { hosts, of } = address ?? assert.fail("no address")
      assert.strictEqual(String(hosts), "/[a-z]+\\.example\\.com/")
      assert.strictEqual(of({ "site.host": "eu.example.com", account: 7 }), "https://eu.example.com/v3/7")
      assert.strictEqual(of({ "site.host": "eu.example.com", account: {} }), undefined)

      const { layer, log } = FakeResourceServer.make()
      const { provider } = yield* fakeProvider(() => ({ extra: { "site.host": "eu.example.com", account: 7 } }))
      const options = { ...(yield* apiOf(profile, { tenant: { version: "v3" } })), provider: Effect.succeed(provider) }
      const http = yield* Effect.provide(TokenHttpClient.make(options), layer)
      yield* http.get("/invoices")
      assert.deepStrictEqual(
        log.map(({ authorization, url }) => [url.href, authorization]),
        [["https://eu.example.com/v3/7/invoices", "Bearer token-1"]]
      )
    })
  )
})

const clientSecret = Redacted.make("s3cret")
const client = { clientId: "app", clientSecret }
const answer = { access_token: "a-2", refresh_token: "r-2" }

const base: ProviderProfile = {
  ...{ id: "example", name: "Example", docs: ["https://docs.example.com"], verified: "2026-11-30" },
  grants: ["refresh_token"],
  client: { authentication: "post" },
  token: { url: "https://auth.example.com/token" }
}
const declared: ProviderProfile = {
  ...{ id: "example", name: "Example", docs: ["https://docs.example.com"], verified: "2026-11-30" },
  grants: ["refresh_token"],
  refresh: { url: "https://api.example.com/refresh", form: { token: "{refreshToken}" } }
}

const make =
  (profile: ProviderProfile) =>
  (inputs: ProfileInputs, body: unknown, status = 200) =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* fromProfile(profile, inputs).pipe(
        Effect.provide(answering(sent, () => Response.json(body, { status })))
      )
      return { sent, source }
    })

const refreshed = ({ refresh }: Effect.Effect.Success<ReturnType<typeof fromProfile>>) =>
  refresh?.(TokenSet.make({ accessToken: "a-1", refreshToken: "r-1" })) ?? Effect.dieMessage("no refresh")

const hmac = (key: string, text: string) =>
  Effect.promise(async () => {
    const bytes = new TextEncoder()
    const made = await crypto.subtle.importKey("raw", bytes.encode(key), { name: "HMAC", hash: "SHA-256" }, false, [
      "sign"
    ])
    return Encoding.encodeHex(new Uint8Array(await crypto.subtle.sign("HMAC", made, bytes.encode(text))))
  })
