import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { parseSettings, SettingsError } from "@evertoken/server"
import { ConfigProvider, Effect, Exit, FastCheck } from "effect"
import { makeSources } from "../src/config/Sources.js"
import { parse } from "./Service.js"

describe("settings", () => {
  it("whatever the text, they are settings or an error that names one and repeats nothing", () => {
    const property = FastCheck.property(FastCheck.oneof(mutated, nonsense), (json) => {
      const settings = parseSettings(json)
      if (!(settings instanceof SettingsError)) return
      assert.match(settings.problem, /^(?:expected |it is |there is no such setting)/)
      assert.notStrictEqual(settings.setting, "")
      assert.notInclude(settings.message, "\n")
      assert.notInclude(settings.problem, SECRET)
      assert.isBelow(settings.problem.length, 200, settings.message)
    })
    FastCheck.assert(property, { numRuns: 3_000 })
  })

  it("what is wrong is told of the very setting, with all that it can be", () => {
    const says = (json: unknown) => {
      const settings = parseSettings(JSON.stringify(json))
      return settings instanceof SettingsError ? settings.message : "good"
    }
    const [billing, odd] = valid.connections
    const connection = (changes: object) => says({ ...valid, connections: [{ ...billing, ...changes }] })
    assert.strictEqual(says(valid), "good")
    assert.strictEqual(says([]), "the configuration: expected an object")
    assert.strictEqual(says({ connections: {} }), "connections: expected a list")
    assert.strictEqual(says({ connections: [7] }), "connections[0]: expected an object")
    assert.strictEqual(says({ ...valid, encryption: SECRET }), 'encryption: expected "on" or "off"')
    assert.strictEqual(
      says({ ...valid, policy: { lease: "0 seconds" } }),
      "policy.lease: expected a duration above zero"
    )
    assert.strictEqual(
      says({ ...valid, connections: [odd, { ...odd, tokenEndpoint: "https://x" }] }),
      "connections[1].tokenEndpoint: there is no such setting"
    )
    assert.strictEqual(
      connection({ clientSecret: SECRET }),
      'connections[0].clientSecret: expected where the secret is: "env:NAME" or "file:/path"'
    )
    assert.strictEqual(connection({ clientId: undefined }), "connections[0].clientId: it is missing")
    assert.strictEqual(
      connection({ grant: SECRET }),
      'connections[0].grant: expected "client_credentials" | "refresh_token" | "custom"'
    )
    assert.strictEqual(connection({ limits: { rate: 0.5 } }), "connections[0].limits.rate: expected an integer")
  })

  it.effect("an endpoint that cannot be is an error that names connections[i] and the option", () =>
    Effect.gen(function* () {
      const [billing, odd] = valid.connections
      const urls = [
        "",
        " ",
        "nowhere",
        "https://",
        "http://example.com/t",
        "http://10.0.0.1/t",
        "ftp://127.0.0.1/t"
      ].concat(
        [
          "https://u:p@example.com/t",
          "http://127.0.0.1.example.com/t",
          "http://localhost.example.com/t",
          "javascript:1"
        ],
        ["http://[::2]/t", "http://2130706433.example/t", "//example.com/t", "https://exa mple.com/t"]
      )
      for (const url of urls) {
        for (const [bad, setting] of [
          [{ ...billing, tokenEndpoint: url }, "connections[1].tokenEndpoint"],
          [{ ...billing, revocationEndpoint: url }, "connections[1].revocationEndpoint"],
          [{ ...odd, key: "other", login: { url } }, "connections[1].login.url"],
          [{ ...odd, key: "other", refresh: { url } }, "connections[1].refresh.url"],
          [{ ...odd, key: "other", revoke: { url } }, "connections[1].revoke.url"]
        ] as const) {
          const json = { ...valid, connections: [{ ...billing, key: "first" }, bad] }
          const parsed = parseSettings(JSON.stringify(json))
          const error = parsed instanceof SettingsError ? parsed : yield* Effect.flip(sources(json))
          assert.propertyVal(error, "_tag", "SettingsError", url)
          assert.propertyVal(error, "setting", setting, url)
        }
      }
      const both = yield* Effect.flip(sources({ ...valid, connections: [{ key: "none", grant: "custom" }] }))
      assert.strictEqual(both.message, "connections[0]: expected a login, a refresh, or both")
      for (const url of ["https://example.com/t", "http://127.0.0.1/t", "http://localhost:1/t", "http://[::1]/t"]) {
        yield* sources({ ...valid, connections: [{ ...billing, tokenEndpoint: url }] })
      }
    })
  )

  it.effect("P13: revokes without a revocation is an error that names it", () =>
    Effect.gen(function* () {
      const billing = { ...valid.connections[0], revocationEndpoint: undefined }
      const error = yield* Effect.flip(sources(JSON.parse(JSON.stringify({ ...valid, connections: [billing] }))))
      assert.strictEqual(error.setting, "connections[0].revokes")
    })
  )

  it.effect("settings that read well make sources or a typed error, whatever is in them", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(mutated, async (json) => {
          const settings = parseSettings(json)
          if (settings instanceof SettingsError) return
          const exit = await Effect.runPromiseExit(sources(JSON.parse(json)))
          if (Exit.isSuccess(exit)) return
          assert.strictEqual(exit.cause._tag, "Fail", String(exit.cause))
          assert.notInclude(String(exit.cause), "in-the-environment")
        }),
        { numRuns: 500 }
      )
    )
  )
})

const SECRET = "s3cr3t"
const valid = {
  listen: { host: "127.0.0.1", port: 8787 },
  database: "env:DATABASE",
  encryption: "on",
  connections: [
    {
      ...{ key: "billing", grant: "client_credentials", clientId: "billing", clientSecret: "env:BILLING" },
      ...{
        tokenEndpoint: "https://example.com/token",
        revocationEndpoint: "https://example.com/revoke",
        scope: "read",
        parameters: { audience: "x" }
      },
      ...{
        headers: { "x-a": "b" },
        revokesAccessToken: true,
        revokes: "replaced",
        limits: { concurrency: 5, per: "1 minute" }
      }
    },
    {
      ...{ key: "odd", grant: "custom", login: { url: "https://example.com/s", json: { password: "env:ODD" } } },
      ...{
        refresh: { url: "https://example.com/r", form: { token: "{refreshToken}" } },
        fields: { accessToken: "a.b" }
      }
    },
    {
      ...{ key: "shop/{shop}/*", profile: "shopify", clientId: "app", clientSecret: "env:BILLING" },
      ...{ replayWindow: "1 day", scope: "read", limits: { rate: 5 } }
    },
    {
      ...{ key: "inline", clientSecret: "env:BILLING", secrets: { apiKey: "env:ODD" }, tenant: { site: "a" } },
      profile: {
        ...{ grants: ["login"], tenant: { site: "[a-z]+" }, secrets: ["apiKey"], values: { at: { now: "seconds" } } },
        login: { url: "https://{site}.example.com/s", json: { a: ["{apiKey}", { b: "x{clientSecret}{at}" }] } },
        answer: { accessToken: "a.b", expires: [{ seconds: "c" }, { fixed: "1 hour" }] }
      }
    }
  ],
  callers: [{ name: "a", hash: "0".repeat(64), keys: ["*"], verbs: ["read", "watch"] }],
  policy: { ahead: "5 minutes", lease: "10 seconds" },
  worker: { concurrency: 8, every: "5 seconds" },
  rate: { requests: 10, per: "1 second" }
}

const sources = (json: object) =>
  Effect.suspend(() => makeSources(parse(json).connections, () => () => Effect.void)).pipe(
    Effect.withConfigProvider(
      ConfigProvider.fromMap(
        new Map([
          ["BILLING", "in-the-environment"],
          ["ODD", "in-the-environment"]
        ])
      )
    ),
    Effect.provide(FetchHttpClient.layer)
  )

const { anything, array, constantFrom, integer, jsonValue, oneof, string, tuple } = FastCheck

const value = oneof(
  constantFrom<unknown>(
    SECRET,
    "",
    "*",
    "env:",
    `env:${SECRET}`,
    "file:",
    "env:BILLING",
    "https://",
    "http://x.y",
    null
  ),
  constantFrom<unknown>(
    -1,
    0,
    1.5,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    true,
    [],
    {},
    [[]],
    "0 seconds",
    `${"9".repeat(400)} days`,
    "1 day ".repeat(9_000)
  ),
  constantFrom<unknown>(
    "\u0000",
    "\ud800",
    "__proto__",
    "constructor",
    { __proto__: 1, toString: SECRET },
    "{refreshToken}"
  ),
  jsonValue(),
  string(),
  anything()
)

/** A configuration with a few of its parts replaced, left out or added to. */
const mutated = array(tuple(integer({ min: 0, max: 99 }), constantFrom("set", "drop", "add"), value, string()), {
  maxLength: 3
}).map((changes) => {
  const json = structuredClone(valid)
  for (const [at, what, value, name] of changes) {
    const places = placesIn(json)
    const place = places[at % places.length]
    if (place === undefined) continue
    const [holder, key] = place
    if (what === "drop") Reflect.deleteProperty(holder, key)
    else Reflect.set(holder, what === "add" ? name : key, value)
  }
  return text(json)
})

const nonsense = oneof(
  string(),
  jsonValue().map((value) => JSON.stringify(value)),
  value.map(text),
  tuple(integer({ min: 0, max: 1_500 }), string()).map(([at, more]) => JSON.stringify(valid).slice(0, at) + more),
  constantFrom(
    "[".repeat(50_000),
    `{"connections":[${"{},".repeat(5_000)}{}]}`,
    `{"${SECRET}`,
    `"${SECRET}"`,
    "\ufeff{}"
  )
)

function text(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

function placesIn(value: unknown): ReadonlyArray<readonly [holder: object, key: string]> {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [[value, key] as const, ...placesIn(inner)])
}
