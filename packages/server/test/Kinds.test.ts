import { createHash, createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, TestClock } from "effect"
import type { Sent } from "../../core/test/network.js"
import { privateKey } from "../../providers/test/inputs.js"
import { loggedIn, refreshed, sources } from "./sources.js"

/** One way in which a provider deviates, as a connection says it. */
interface Kind {
  readonly connection: object
  /** What it is answered, one after the other; the last again and again. */
  readonly answers?: ReadonlyArray<object | string>
  readonly headers?: Readonly<Record<string, string>>
  /** What the last request holds. */
  readonly sends?: readonly [part: (sent: Sent) => unknown, expected: unknown]
  /** The access token, how many seconds it lives, and what is kept. */
  readonly gives?: readonly [token: string, lasts: number | undefined, extra?: object]
  readonly fails?: string
}

const NOW = Date.UTC(2026, 0, 1)
const url = "https://a.example.com/token"
const app = { clientId: "app", clientSecret: "env:SECRET" }
const client = { authentication: "post" }
const ok = { access_token: "at-1", expires_in: 3600 }

const login = (request: object, more: object = {}) => ({
  profile: { grants: ["login"], login: { url, ...request }, ...more }
})
const refresh = (more: object = {}) => ({
  ...app,
  profile: { grants: ["refresh_token"], client, token: { url }, ...more }
})
const form = ({ form }: Sent) => form
const json = ({ text }: Sent) => JSON.parse(text)
const header = (name: string) => (sent: Sent) => sent.headers[name]

const part = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url")
const unsigned = `${part({ alg: "HS256", kid: "k1" })}.${part({ aud: "/admin/", iat: NOW / 1000 - 10, exp: NOW / 1000 + 290 })}`
const HS256 = `${unsigned}.${createHmac("sha256", "k3y").update(unsigned).digest("base64url")}`

/** The kinds of `docs/providers.md`: what the catalogues of providers know of real ones. */
const kinds: Readonly<Record<string, Kind>> = {
  "a secret in the body": { connection: refresh(), sends: [(sent) => form(sent).client_secret, "s3cret"] },
  "a secret in a Basic header": {
    connection: refresh({ client: { authentication: "basic" } }),
    sends: [header("authorization"), `Basic ${btoa("app:s3cret")}`]
  },
  "a secret in a header of its own": {
    connection: { ...login({ headers: { authorization: "ID {clientSecret}" } }), clientSecret: "env:SECRET" },
    sends: [header("authorization"), "ID s3cret"]
  },
  "a JSON body that nests, with numbers": {
    connection: login({ json: { grant: { kind: "x", days: 7, all: [true] } } }),
    sends: [json, { grant: { kind: "x", days: 7, all: [true] } }]
  },
  "a grant type of its own, with a password": {
    connection: { ...login({ form: { grant_type: "password", password: "env:SECRET" } }) },
    sends: [form, { grant_type: "password", password: "s3cret" }]
  },
  "credentials in the address": {
    connection: login({ method: "GET", query: { key: "env:SECRET" } }),
    sends: [({ method, url }) => [method, new URL(url).search], ["GET", "?key=s3cret"]]
  },
  "names of its own for the credentials": {
    connection: { ...app, ...login({ form: { client_key: "{clientId}", secret: "{clientSecret}" } }) },
    sends: [form, { client_key: "app", secret: "s3cret" }]
  },
  "scopes on refresh": {
    connection: refresh({ token: { url, scopeOnRefresh: "original" } }),
    sends: [(sent) => form(sent).scope, "a b"]
  },
  "more parameters, and a secret in one": {
    connection: refresh({ token: { url, parameters: { audience: "x", pin: "env:SECRET" } } }),
    sends: [(sent) => [form(sent).audience, form(sent).pin], ["x", "s3cret"]]
  },
  "a refresh at another address": {
    connection: { profile: { grants: ["refresh_token"], refresh: { url: `${url}/2`, form: { t: "{refreshToken}" } } } },
    sends: [(sent) => [sent.url, form(sent).t], [`${url}/2`, "rt-1"]]
  },
  "a token that is exchanged for itself": {
    connection: {
      profile: { grants: ["refresh_token"], refresh: { url, headers: { authorization: "Bearer {accessToken}" } } }
    },
    sends: [header("authorization"), "Bearer at-0"]
  },
  "a value that is made for each request": {
    connection: {
      ...login({ headers: { "x-at": "{at}" } }, { values: { at: { now: "seconds" } } })
    },
    sends: [header("x-at"), "1767225600"]
  },
  "a digest that is made for each request": {
    connection: {
      clientSecret: "env:SECRET",
      ...login(
        { headers: { "x-sign": "{sign}" } },
        { values: { at: { now: "iso" }, sign: { sha256: "{at}{clientSecret}", as: "hex" } } }
      )
    },
    sends: [header("x-sign"), createHash("sha256").update("2026-01-01T00:00:00.000Zs3cret").digest("hex")]
  },
  "a day in the future": {
    connection: login(
      { method: "PUT", query: { until: "{day}" } },
      { values: { day: { now: "date", after: "1 day" } } }
    ),
    sends: [({ method, url }) => [method, new URL(url).search], ["PUT", "?until=2026-01-02"]]
  },
  steps: {
    connection: {
      profile: {
        grants: ["login"],
        login: [
          { url, answer: { accessToken: "key" } },
          { url: `${url}/2`, query: { key: "{accessToken}" } }
        ]
      }
    },
    answers: [{ key: "k-1" }, ok],
    sends: [(sent) => sent.url, `${url}/2?key=k-1`]
  },
  "steps at each refresh": {
    connection: {
      profile: {
        grants: ["refresh_token"],
        refresh: [
          { url, form: { t: "{refreshToken}" } },
          { url: `${url}/2`, query: { key: "{accessToken}" }, answer: { accessToken: "session", keep: ["site"] } }
        ]
      }
    },
    answers: [
      { ...ok, refresh_token: "rt-2" },
      { session: "s-1", expires_in: 60, site: "x" }
    ],
    sends: [(sent) => sent.url, `${url}/2?key=at-1`],
    gives: ["s-1", 60, { site: "x" }]
  },
  "an address for each tenant": {
    connection: {
      ...{ ...app, tenant: { shop: "acme" } },
      profile: {
        ...{ grants: ["refresh_token"], client, tenant: { shop: "[a-z]+" } },
        token: { url: "https://{shop}.example.com/token" }
      }
    },
    sends: [({ url }) => url, "https://acme.example.com/token"]
  },
  "a public client": {
    connection: {
      clientId: "app",
      profile: { grants: ["refresh_token"], client: { authentication: "none" }, token: { url } }
    },
    sends: [
      (sent) => [form(sent).client_id, form(sent).client_secret, sent.headers.authorization],
      ["app", undefined, undefined]
    ]
  },
  "a signed client assertion": {
    connection: {
      ...{ clientId: "app", privateKey: { key: "env:KEY" } },
      profile: { grants: ["client_credentials"], client, token: { url } }
    },
    sends: [(sent) => form(sent).client_assertion?.split(".").length, 3]
  },
  "a signed assertion as a grant": {
    connection: {
      ...{ issuedBy: "robot", signingKey: { key: "env:KEY" }, claims: { scope: "read" } },
      profile: { grants: ["jwt_bearer"], client: { authentication: "none" }, token: { url } }
    },
    sends: [(sent) => JSON.parse(atob(form(sent).assertion?.split(".")[1] ?? "")).scope, "read"]
  },
  "a signed assertion with claims and a header of its own": {
    connection: {
      ...{ secrets: { key: "env:KEY" }, tenant: { thumb: "abc" } },
      ...login(
        { form: { client_assertion: "{proof}" } },
        {
          ...{ secrets: ["key"], tenant: { thumb: "\\w+" } },
          values: {
            id: { random: "uuid" },
            proof: {
              jwt: {
                ...{ key: "key", algorithm: "PS256", header: { "x5t#S256": "{thumb}" }, lifetime: "9 minutes" },
                claims: { iss: "example.com", scope: "read", jti: "{id}" }
              }
            }
          }
        }
      )
    },
    sends: [
      (sent) => {
        const [header = "", claims = ""] = form(sent).client_assertion?.split(".") ?? []
        const { iss, jti, scope } = JSON.parse(atob(claims))
        return [JSON.parse(atob(header)), iss, scope, jti?.length]
      },
      [{ alg: "PS256", "x5t#S256": "abc" }, "example.com", "read", 36]
    ]
  },
  "a signed assertion in a header": {
    connection: {
      ...{ clientId: "app", secrets: { key: "env:KEY" } },
      ...login(
        { headers: { authorization: "Bearer {proof}" } },
        {
          secrets: ["key"],
          values: { proof: { jwt: { key: "key", claims: { iss: "{clientId}" }, lifetime: "9 minutes" } } }
        }
      )
    },
    sends: [(sent) => JSON.parse(atob(sent.headers.authorization?.split(".")[1] ?? "")).iss, "app"]
  },
  "fields to keep": {
    connection: refresh({ answer: { keep: ["instance_url"] } }),
    answers: [{ ...ok, instance_url: "https://b.example.com" }],
    gives: ["at-1", 3600, { instance_url: "https://b.example.com" }]
  },
  "a token at a path": {
    connection: refresh({ answer: { accessToken: "data.token", expires: { seconds: "data.lives" } } }),
    answers: [{ data: { token: "at-1", lives: 60 } }],
    gives: ["at-1", 60]
  },
  "a token in a header": {
    connection: refresh({ answer: { accessToken: "header:X-Auth-Token", expires: { fixed: "30 minutes" } } }),
    answers: [{}],
    headers: { "x-auth-token": "at-1" },
    gives: ["at-1", 1800]
  },
  "an answer that is the token, as text": {
    connection: refresh({ answer: { accessToken: "$", expires: { fixed: "1 hour" } } }),
    answers: ["at-1"]
  },
  "an answer that is the token, as JSON": {
    connection: refresh({ answer: { accessToken: "$", expires: { fixed: "1 hour" } } }),
    answers: ['"at-1"']
  },
  "an answer without a body, whose tokens stand in headers": {
    connection: refresh({ answer: { accessToken: "header:X-Auth-Token", expires: { fixed: "30 minutes" } } }),
    answers: [""],
    headers: { "x-auth-token": "at-1" },
    gives: ["at-1", 1800]
  },
  "a lifetime that the documentation tells": {
    connection: refresh({ answer: { expires: [{ seconds: "expires_in" }, { fixed: "1 hour" }] } }),
    answers: [{ access_token: "at-1" }],
    gives: ["at-1", 3600]
  },
  "an end as a date": {
    connection: refresh({ answer: { expires: { isoDate: "ends" } } }),
    answers: [{ access_token: "at-1", ends: "2026-01-01T00:10:00Z" }],
    gives: ["at-1", 600]
  },
  "an end in epoch milliseconds": {
    connection: refresh({ answer: { expires: { epochMillis: "ends" } } }),
    answers: [{ access_token: "at-1", ends: NOW + 60_000 }],
    gives: ["at-1", 60]
  },
  "a lifetime in milliseconds": {
    connection: refresh({ answer: { expires: { millis: "expires_in" } } }),
    answers: [{ access_token: "at-1", expires_in: 1_800_000 }],
    gives: ["at-1", 1800]
  },
  "a lifetime as a clock": {
    connection: refresh({ answer: { expires: { clock: "ttl", format: "D:HH:MM:SS" } } }),
    answers: [{ access_token: "at-1", ttl: "1:02:03:04" }],
    gives: ["at-1", 93784]
  },
  "a token type that is no scheme": {
    connection: refresh({ answer: { tokenType: "Bearer" } }),
    answers: [{ ...ok, token_type: "User Access Token" }]
  },
  "a refresh that answers without a token": {
    connection: {
      profile: {
        ...{ grants: ["refresh_token"], refresh: { url }, errors: { success: { at: "result", is: ["0000"] } } },
        answer: { extendsAccessToken: true, expires: { fixed: "30 days" } }
      }
    },
    answers: [{ result: "0000" }],
    gives: ["at-0", 2_592_000]
  },
  "a refresh that answers without a body": {
    connection: {
      profile: {
        ...{ grants: ["refresh_token"], refresh: { url } },
        answer: { extendsAccessToken: true, expires: { fixed: "30 days" } }
      }
    },
    answers: [""],
    gives: ["at-0", 2_592_000]
  },
  "an error with 200": {
    connection: refresh({
      errors: { success: { at: "ok", is: [true] }, code: "error", meanings: { gone: "refused" } }
    }),
    answers: [{ ok: false, error: "gone" }],
    fails: "GrantRejected"
  },
  "an error code at a path": {
    connection: refresh({ errors: { code: "errors.0.code", meanings: { "17": "throttled" } } }),
    answers: [{ errors: [{ code: 17 }] }],
    fails: "TokenEndpointError"
  },
  "a token that a shared secret signs, without a request": {
    connection: {
      ...{ secrets: { key: "env:KEY" }, tenant: { id: "k1" } },
      profile: {
        ...{
          grants: ["login"],
          secrets: ["key"],
          tenant: { id: "\\w+" },
          login: { token: "{proof}", lives: "5 minutes" }
        },
        values: {
          proof: {
            jwt: { key: "key", algorithm: "HS256", keyId: "{id}", claims: { aud: "/admin/" }, lifetime: "5 minutes" }
          }
        }
      }
    },
    gives: [HS256, 300]
  },
  "WSSE, without a request": {
    connection: {
      ...{ clientId: "robot", clientSecret: "env:SECRET" },
      profile: {
        grants: ["login"],
        login: {
          token: 'Username="{clientId}",PasswordDigest="{digest}",Nonce="n-1",Created="{created}"',
          lives: "5 minutes"
        },
        values: { created: { now: "iso" }, digest: { sha1: "n-1{created}{clientSecret}", as: "base64" } }
      }
    },
    gives: [
      `Username="robot",PasswordDigest="${createHash("sha1").update("n-12026-01-01T00:00:00.000Zs3cret").digest("base64")}",Nonce="n-1",Created="2026-01-01T00:00:00.000Z"`,
      300
    ]
  },
  "a token that is signed here, without a request": {
    connection: {
      ...{ secrets: { key: "env:KEY" } },
      profile: {
        ...{ grants: ["login"], secrets: ["key"], login: { token: "x{proof}", lives: "5 minutes" } },
        values: { proof: { base64: "{key}" } }
      }
    },
    gives: [`x${btoa("k3y")}`, 300]
  }
}

describe("a connection can say of a provider that it has", () => {
  for (const [name, kind] of Object.entries(kinds)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { answers = [ok], connection, fails, gives = ["at-1", 3600], headers, sends } = kind
        yield* TestClock.setTime(NOW)
        let at = 0
        const answer = () => {
          const body = answers[Math.min(at++, answers.length - 1)]
          const init = { headers: headers ?? {} }
          if (body === "") return new Response(null, { ...init, status: 204 })
          return typeof body === "string" ? new Response(body, init) : Response.json(body, init)
        }
        const isKey = JSON.stringify(connection).match(/assertion|privateKey|signingKey|"jwt"(?!.*HS256)/) !== null
        const variables = { KEY: isKey ? yield* key : "k3y" }
        const { of, sent } = yield* sources([{ key: "k", ...connection }], variables, answer)
        const source = yield* of("k")
        const asked = yield* Effect.either(source.login === undefined ? refreshed(source) : loggedIn(source))
        if (sends !== undefined) {
          const [part, expected] = sends
          assert.deepStrictEqual(part(sent.at(-1) ?? assert.fail("nothing was sent")), expected)
        }
        if (asked._tag === "Left") return assert.strictEqual(asked.left._tag, fails)
        const { accessToken, expiresAt, expiresIn, extra, tokenType } = asked.right
        const ends = expiresAt === undefined ? undefined : (expiresAt - NOW) / 1000
        const [token, lasts, kept = {}] = gives
        assert.deepStrictEqual(
          [
            fails,
            Redacted.value(accessToken),
            expiresIn === undefined ? ends : Duration.toSeconds(expiresIn),
            extra,
            tokenType
          ],
          [undefined, token, lasts, kept, "Bearer"]
        )
      })
    )
  }
})

describe("docs/providers.md", () => {
  const page = readFileSync(new URL("../../../docs/providers.md", import.meta.url), "utf8")
  const [, section = ""] = /## What data can say, counted\n(.*?)(?:\n## |$)/s.exec(page) ?? []
  const rows = [...section.matchAll(/^\| (.+?) \| (\d+) \| (.+?) \|$/gm)].map(([, kind = "", count = "", by = ""]) => ({
    ...{ kind, by, count: Number(count) },
    named: [...by.matchAll(/“([^”]+)”/g)].map(([, name = ""]) => name)
  }))

  it("names for each kind what shows it, and no kind that nothing shows", () => {
    const named = rows.flatMap((row) => row.named)
    assert.deepStrictEqual([...new Set(named)].sort(), Object.keys(kinds).sort())
    for (const { by, kind, named } of rows) assert.isTrue(named.length > 0 || by.startsWith("no"), kind)
  })

  it("counts what is left over", () => {
    const left = rows.filter(({ by }) => by.startsWith("no")).reduce((sum, { count }) => sum + count, 0)
    const [, sayable, all] = /\*\*(\d+) of (\d+)\*\*/.exec(section) ?? []
    assert.strictEqual(Number(sayable), Number(all) - left)
    const steps = [...section.matchAll(/[+=] (\d+)/g)].map(([, number]) => Number(number))
    assert.strictEqual(447 + steps.slice(0, -1).reduce((sum, step) => sum + step, 0), steps.at(-1))
    assert.strictEqual(steps.at(-1), Number(sayable))
  })
})

let made: Promise<string> | undefined
const key = Effect.promise(() => {
  made ??= privateKey()
  return made
})
