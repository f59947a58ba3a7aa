import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { TokenSet } from "@evertoken/core"
import * as providers from "@evertoken/providers"
import { Effect, Redacted, TestClock } from "effect"
import { answers } from "../../providers/test/answers.js"
import { privateKey } from "../../providers/test/inputs.js"
import { loggedIn, refreshed, sources } from "./sources.js"

describe("a connection with a profile", () => {
  for (const profile of Object.values(providers)) {
    it.effect(`asks ${profile.name} as the library does`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 0, 1))
        const recorded = answers[profile.id] ?? assert.fail("it has no answers")
        const { again, dead, first, refusal = "GrantRejected", refreshed = first, tenant = {}, token } = recorded
        const { client, grants, secrets = [] } = profile
        const names = JSON.stringify(profile)
        const isSigned = grants[0] === "jwt_bearer"
        const connection = {
          ...{ key: Object.keys(tenant).length === 0 ? "k" : "k/*", profile: profile.id, tenant },
          ...((client !== undefined && !isSigned) || names.includes("{clientId}") ? { clientId: "app" } : {}),
          ...((client !== undefined && !isSigned) || names.includes("{clientSecret}")
            ? { clientSecret: "env:SECRET" }
            : {}),
          ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets.map((name) => [name, "env:KEY"])) }),
          ...(isSigned ? { issuedBy: "robot@example.com", signingKey: { key: "env:KEY" } } : {})
        }
        const ask = (body: typeof first) =>
          Effect.gen(function* () {
            const { of } = yield* sources([connection], { KEY: yield* key }, () => answer(body))
            const { login, refresh } = yield* of("k/1").pipe(Effect.orElse(() => of("k")))
            const current = TokenSet.make({ accessToken: "at-0", refreshToken: "rt-1" })
            return yield* login ?? refresh?.(current) ?? Effect.dieMessage("it gives no tokens")
          })
        const { accessToken, extra, tokenType } = yield* ask(refreshed)
        const next = { type: "Bearer", extra: {}, ...token, ...again }
        assert.deepStrictEqual([Redacted.value(accessToken), tokenType, extra], [next.access, next.type, next.extra])
        assert.strictEqual((yield* Effect.flip(ask(dead)))._tag, refusal)
      })
    )
  }

  it.effect("goes to the tenant that the key names, if it can be one, and to nobody else", () =>
    Effect.gen(function* () {
      const connection = { key: "shopify/{shop}/*", profile: "shopify", clientId: "app", clientSecret: "env:SECRET" }
      const { of, sent } = yield* sources([connection])
      for (const shop of ["acme", "b-2"]) yield* refreshed(yield* of(`shopify/${shop}/owner`))
      assert.deepStrictEqual(
        sent.map(({ url }) => new URL(url).host),
        ["acme.myshopify.com", "b-2.myshopify.com"]
      )
      for (const key of [
        "shopify/evil.com#/x",
        "shopify/a.b/x",
        "shopify//x",
        "shopify/acme",
        "shopify/@evil/x",
        "x"
      ]) {
        assert.strictEqual((yield* Effect.flip(of(key)))._tag, "NoSource", key)
      }
    })
  )

  it.effect("lets no key choose the host that secrets go to", () =>
    Effect.gen(function* () {
      const token = (url: string, tenant: string) => ({
        key: "k/{t}",
        profile: {
          ...{ grants: ["refresh_token"], client: { authentication: "post" } },
          ...{ tenant: { t: tenant }, token: { url } }
        },
        ...{ clientId: "app", clientSecret: "env:SECRET" }
      })
      const bad = [
        ["https://{t}/token", ".+"],
        ["https://{t}/token", "[a-z0-9.-]+"],
        ["https://auth.{t}/token", "[a-z.]+"],
        ["https://example.{t}/token", "[a-z]+"],
        ["https://{t}.com/token", "[a-z]+"]
      ] as const
      for (const [url, tenant] of bad) {
        const error = yield* Effect.flip(sources([token(url, tenant)]))
        assert.strictEqual(error.message.slice(0, 42), "connections[0].key: whoever asks for a key", url)
      }
      const good = [
        ["https://{t}.example.com/token", "[a-z0-9.-]+"],
        ["https://example.com/{t}/token", ".+"],
        ["https://accounts.example.{t}/token", "com|eu"],
        ["https://{t}/token", "[a-z]+\\.my\\.example\\.com"]
      ] as const
      for (const [url, tenant] of good) yield* sources([token(url, tenant)])
    })
  )

  it.effect("may be written in the settings, with secrets wherever a text may have one", () =>
    Effect.gen(function* () {
      const connections = [
        {
          key: "inline",
          clientSecret: "env:SECRET",
          profile: {
            grants: ["login"],
            values: { basic: { base64: "{env:USER}:{clientSecret}" } },
            login: {
              url: "https://a.example.com",
              headers: { authorization: "Basic {basic}", "x-key": "ID {env:KEY}" },
              json: { deep: [{ password: "env:PASSWORD", days: 7 }] }
            }
          }
        },
        {
          ...{ key: "custom", grant: "custom" },
          login: { url: "https://a.example.com", form: { all: "{env:USER}:{env:PASSWORD}" } }
        },
        {
          ...{ key: "standard", grant: "client_credentials", clientId: "app", tokenEndpoint: "https://a.example.com" },
          ...{ parameters: { password: "env:PASSWORD" }, headers: { "x-key": "ID {env:KEY}" } }
        }
      ]
      const { of, sent } = yield* sources(connections, { KEY: "k3y", PASSWORD: "p4ss", USER: "robot" })
      for (const { key } of connections) yield* loggedIn(yield* of(key))
      const [inline, custom, standard] = sent
      assert.strictEqual(inline?.headers.authorization, `Basic ${btoa("robot:s3cret")}`)
      assert.strictEqual(inline?.headers["x-key"], "ID k3y")
      assert.deepStrictEqual(JSON.parse(inline?.text ?? ""), { deep: [{ password: "p4ss", days: 7 }] })
      assert.deepStrictEqual(custom?.form, { all: "robot:p4ss" })
      assert.deepInclude(standard?.form, { password: "p4ss" })
      assert.strictEqual(standard?.headers["x-key"], "ID k3y")
      const error = yield* Effect.flip(sources(connections.slice(0, 1), { KEY: "k3y", USER: "robot" }))
      assert.strictEqual(
        error.message,
        "connections[0].profile.login.json.deep[0].password: the environment variable PASSWORD is not set"
      )
    })
  )

  it.scoped("takes each grant that logs in, and reads a token's file anew for each request", () =>
    Effect.gen(function* () {
      const file = yield* temporary
      const token = { client: { authentication: "none" }, token: { url: "https://a.example.com" } }
      const connections = [
        { key: "exchange", profile: { ...token, grants: ["token_exchange"] }, subjectToken: `file:${file}` },
        { key: "bearer", profile: { ...token, grants: ["jwt_bearer"] }, assertion: `file:${file}` },
        {
          ...{ key: "workload", profile: { ...token, grants: ["client_credentials"] } },
          ...{ clientId: "app", clientAssertion: `file:${file}` }
        }
      ]
      const { of, sent } = yield* sources(connections)
      const fields = ["subject_token", "assertion", "client_assertion"]
      for (const [at, { key }] of connections.entries()) {
        for (const text of ["first", "second"]) {
          writeFileSync(file, text)
          yield* loggedIn(yield* of(key))
          assert.strictEqual(sent.at(-1)?.form[fields[at] ?? ""], text, key)
        }
      }
    })
  )

  it.effect("names the setting that is wrong, and what would be right", () =>
    Effect.gen(function* () {
      const xero = { key: "xero", profile: "xero", clientId: "app", clientSecret: "env:SECRET" }
      const inline = { grants: ["refresh_token"], client: { authentication: "post" }, token: { url: "https://a.b" } }
      const table: ReadonlyArray<readonly [object, string]> = [
        [{ ...xero, profile: "xerox" }, 'connections[0].profile: there is no such profile; did you mean "xero"?'],
        [{ ...xero, profile: "nobody-at-all" }, "connections[0].profile: there is no such profile; docs/"],
        [{ ...xero, tenant: { shop: "acme" } }, "connections[0].tenant: expected a known option"],
        [{ ...xero, key: "xero/{org}" }, "connections[0].key: its names in braces"],
        [{ ...xero, grant: "login" }, 'connections[0].grant: expected "authorization_code", "client_credentials"'],
        [{ ...xero, signingKey: { key: "env:SECRET" } }, "connections[0].signingKey: expected a known option"],
        [
          { ...xero, replayWindw: "1 minute" },
          'connections[0].replayWindw: there is no such setting; did you mean "replayWindow"?'
        ],
        [
          { ...xero, profile: { ...inline, tokens: {} } },
          'connections[0].profile.tokens: expected a known name; did you mean "token"?'
        ],
        [
          { ...xero, profile: { ...inline, answer: { expires: { days: "x" } } } },
          "connections[0].profile.answer.expires.days: expected one of"
        ],
        [
          { key: "a", grant: "custom", login: { url: "https://a.b", form: { t: "{accessToken}" } } },
          "connections[0].login: expected no other names"
        ],
        [
          { key: "a", grant: "custom", refresh: { url: "https://a.b", form: { t: "{refresh_token}" } } },
          'connections[0].refresh: expected names in braces that are known here; did you mean "{refreshToken}"?'
        ]
      ]
      for (const [connection, message] of table) {
        const error = yield* Effect.flip(sources([connection]))
        assert.strictEqual(error.message.slice(0, message.length), message)
      }
    })
  )
})

let made: Promise<string> | undefined
const key = Effect.promise(() => {
  made ??= privateKey()
  return made
})

const answer = ({ body, headers = {}, status = 200 }: (typeof answers)[string]["first"]) =>
  typeof body === "string" ? new Response(body, { status, headers }) : Response.json(body, { status, headers })

const temporary = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "evertoken-profiles-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  ),
  (path) => {
    const file = join(path, "token")
    writeFileSync(file, "at the start")
    return file
  }
)
