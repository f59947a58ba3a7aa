import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { type Authority, refuse } from "@evertoken/authority"
import { RemoteTokenProvider } from "@evertoken/client"
import { TokenProvider, TokenRejected, TokenSet } from "@evertoken/core"
import { Duration, Effect, Logger, Option, Redacted, Schedule, type Scope } from "effect"
import { endpoint, start, storeAt } from "./Service.js"

describe("the token service", () => {
  holds("hands out one token for any number of callers, and a newer one for a rejected one", () =>
    Effect.gen(function* () {
      const { authority, call } = yield* start()
      const answers = yield* Effect.all(Effect.replicate(call("/v1/token?key=billing"), 50), {
        concurrency: "unbounded"
      })
      for (const { json, status } of answers) {
        assert.strictEqual(status, 200)
        assert.strictEqual(json.accessToken, answers[0]?.json.accessToken)
      }
      assert.strictEqual((yield* authority.tokenRequests).length, 1)
      const { accessToken, expiresIn, generation } = answers[0]?.json ?? {}
      assert.isAbove(expiresIn, 200)
      const reject = { method: "POST", body: JSON.stringify({ key: "billing", generation }) }
      for (let times = 0; times < 3; times++) assert.strictEqual((yield* call("/v1/reject", reject)).status, 204)
      const newer = yield* call("/v1/token?key=billing")
      assert.notStrictEqual(newer.json.accessToken, accessToken)
      assert.strictEqual(newer.json.generation, generation + 1)
      const late = yield* call(`/v1/token?key=billing&rejected=${generation}`)
      assert.strictEqual(late.json.accessToken, newer.json.accessToken)
      assert.strictEqual((yield* authority.tokenRequests).length, 2)
    })
  )

  holds("takes tokens that a login page got, refreshes them, forgets them, and never gives a refresh token", () =>
    Effect.gen(function* () {
      const { authority, call } = yield* start()
      const key = "tenant-a/ü ?&=%2F🔑/app"
      const at = `/v1/token?key=${encodeURIComponent(key)}`
      assert.strictEqual((yield* call(at)).status, 409)
      const minted = yield* authority.mint()
      const tokens = {
        accessToken: Redacted.value(minted.accessToken),
        refreshToken: Redacted.value(minted.refreshToken),
        expiresIn: 300
      }
      const put = yield* call("/v1/token", { method: "PUT", body: JSON.stringify({ key, ...tokens }) })
      assert.strictEqual(put.status, 200)
      const got = yield* call(at)
      assert.strictEqual(got.json.accessToken, tokens.accessToken)
      const next = yield* call(`${at}&rejected=${got.json.generation}`)
      assert.strictEqual(next.status, 200)
      assert.notStrictEqual(next.json.accessToken, tokens.accessToken)
      const list = yield* call("/v1/connections")
      assert.deepStrictEqual(
        list.json.connections.map((one: { key: string; health: string }) => [one.key, one.health]),
        [[key, "ok"]]
      )
      for (const { text } of [put, got, next, list]) assert.notInclude(text.toLowerCase(), "refreshtoken")
      for (const { text } of [put, got, next, list]) assert.notInclude(text, tokens.refreshToken)
      assert.strictEqual((yield* call(at, { method: "DELETE" })).status, 204)
      assert.strictEqual((yield* call(at)).status, 409)
    })
  )

  holds("refuses a DPoP token, which nobody could use, and says why", () =>
    Effect.gen(function* () {
      const { call } = yield* start()
      for (const tokenType of ["DPoP", "dpop", " DPoP", "dPoP\t"]) {
        const body = JSON.stringify({ key: "acme/app", accessToken: "s3cret-access", tokenType })
        const { json, status, text } = yield* call("/v1/token", { method: "PUT", body })
        assert.deepStrictEqual([status, json._tag], [400, "BadRequest"])
        assert.include(json.message, "the key that it is bound to")
        assert.notInclude(text, "s3cret")
      }
      assert.strictEqual((yield* call("/v1/token?key=acme/app")).status, 409)
    })
  )

  holds(
    "forgets tokens whose connection is no longer declared, for whoever may, and asks no authorization server",
    () =>
      Effect.gen(function* () {
        const { authority, call, reader, settings } = yield* start()
        const store = yield* storeAt(settings.database ?? "")
        const [at, forget] = ["/v1/token?key=tenant-a/gone", { method: "DELETE" }]
        yield* store.put("tenant-a/gone", TokenSet.make({ accessToken: "access", refreshToken: "refresh" }), undefined)
        assert.strictEqual((yield* call(at)).status, 404)
        assert.strictEqual((yield* call(at, { ...forget, as: reader })).status, 403)
        assert.isTrue(Option.isSome(yield* store.load("tenant-a/gone")))
        assert.strictEqual((yield* call(at, forget)).status, 204)
        assert.isTrue(Option.isNone(yield* store.load("tenant-a/gone")))
        assert.strictEqual((yield* call(at, forget)).status, 404)
        assert.deepStrictEqual(yield* authority.log, [])
      })
  )

  holds("says in Retry-After when the next attempt is, also to whoever asks later", () =>
    Effect.gen(function* () {
      const { authority, call } = yield* start()
      yield* authority.break(refuse(503, { retryAfter: "100 seconds" }))
      const first = yield* call("/v1/token?key=billing")
      yield* Effect.sleep("1200 millis")
      const later = yield* call("/v1/token?key=billing")
      for (const { headers, json, status } of [first, later]) {
        assert.strictEqual(status, 503)
        const seconds = Number(headers.get("retry-after"))
        assert.strictEqual(json.retryAfter, seconds)
        assert.isTrue(seconds >= 90 && seconds <= 100, `${seconds}`)
      }
      assert.strictEqual((yield* authority.tokenRequests).length, 1)
      assert.isNull((yield* call("/v1/token?key=acme/app")).headers.get("retry-after"))
    })
  )

  for (const [host, warns] of [
    ["127.0.0.1", false],
    ["localhost", false],
    ["0.0.0.0", true]
  ] as const) {
    holds(`${warns ? "warns" : "does not warn"} at its start that tokens leave in the clear on ${host}`, () =>
      Effect.gen(function* () {
        const warnings: Array<string> = []
        const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
          if (logLevel.label === "WARN") warnings.push(String(message))
        })
        yield* Effect.provide(start({ host }), Logger.replace(Logger.defaultLogger, logger))
        const told = `listen.host: ${host} can be reached from elsewhere, and tokens leave in the clear; let a proxy end TLS`
        assert.deepStrictEqual(warnings, warns ? [told] : [])
      })
    )
  }

  holds("lets a caller do what its API key allows, and nothing else", () =>
    Effect.gen(function* () {
      const { call, reader } = yield* start()
      const status = (path: string, init: RequestInit = {}) =>
        Effect.map(call(path, { as: reader, ...init }), (answer) => answer.status)
      assert.strictEqual(yield* status("/v1/token?key=tenant-a/app"), 409)
      assert.strictEqual(yield* status("/v1/token?key=tenant-b/app"), 403)
      const { headers } = yield* call("/v1/token?key=tenant-b/app", { as: reader })
      assert.strictEqual(headers.get("www-authenticate"), 'Bearer realm="evertoken", error="insufficient_scope"')
      assert.strictEqual(yield* status("/v1/token?key=billing"), 403)
      assert.strictEqual(yield* status("/v1/token?key=unknown"), 403)
      const put = { method: "PUT", body: JSON.stringify({ key: "tenant-a/app", accessToken: "x" }) }
      assert.strictEqual(yield* status("/v1/token", put), 403)
      assert.strictEqual(yield* status("/v1/token?key=tenant-a/app", { method: "DELETE" }), 403)
      for (const path of ["/v1/connections", "/v1/events", "/metrics"]) assert.strictEqual(yield* status(path), 403)
      for (const path of ["/health", "/ready", "/", "/docs", "/openapi.json"])
        assert.strictEqual(yield* status(path), 200)
      assert.strictEqual((yield* call("/v1/token?key=unknown")).status, 404)
      assert.strictEqual((yield* call("/v1/token?key=billing", { as: Redacted.make("evk_wrong") })).status, 401)
    })
  )

  holds("tells events as they happen, and counts for Prometheus", () =>
    Effect.gen(function* () {
      const { admin, call, url } = yield* start()
      const lines = yield* Effect.promise(async () => {
        const headers = { authorization: `Bearer ${Redacted.value(admin)}` }
        const response = await fetch(`${url}/v1/events`, { headers })
        const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
        let text = (await reader?.read())?.value ?? ""
        await fetch(`${url}/v1/token?key=billing`, { headers })
        while (!text.includes("event: Refreshed")) text += (await reader?.read())?.value ?? ""
        await reader?.cancel()
        return text
      })
      assert.match(lines, /event: Refreshed\ndata: {"key":"billing","generation":\d+,"by":"login"/)
      const { text } = yield* call("/metrics")
      assert.match(text, /^evertoken_refreshes_total{outcome="refreshed"} [1-9]/m)
      assert.match(text, /^# TYPE evertoken_refresh_duration_seconds histogram/m)
    })
  )

  holds("tells as an event, and with the token, that less was granted than before", () =>
    Effect.gen(function* () {
      const { admin, authority, call, url } = yield* start()
      const key = "acme/app"
      const { accessToken, refreshToken } = yield* authority.mint()
      const pair = { accessToken: Redacted.value(accessToken), refreshToken: Redacted.value(refreshToken) }
      const body = JSON.stringify({ key, ...pair, expiresIn: 300, scopes: ["openid", "never-granted"] })
      const { generation } = (yield* call("/v1/token", { method: "PUT", body })).json
      const { json, told } = yield* Effect.promise(async () => {
        const headers = { authorization: `Bearer ${Redacted.value(admin)}` }
        const response = await fetch(`${url}/v1/events`, { headers })
        const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
        let told = (await reader?.read())?.value ?? ""
        const got = await fetch(`${url}/v1/token?key=${key}&rejected=${generation}`, { headers })
        while (!/event: ScopeReduced\n.*\n/.test(told)) told += (await reader?.read())?.value ?? ""
        await reader?.cancel()
        return { told, json: await got.json() }
      })
      assert.notInclude(json.scopes, "never-granted")
      const [, data = ""] = /event: ScopeReduced\ndata: (.*)\n/.exec(told) ?? []
      assert.deepStrictEqual(JSON.parse(data), { key, scopes: json.scopes })
    })
  )

  holds("a reader that makes names up makes no more rows and logins than the pattern may have, here or beside", () =>
    Effect.gen(function* () {
      const connections = (authority: Authority["Type"]) => [
        { key: "made/*", grant: "client_credentials", maxKeys: 5, ...endpoint(authority, "billing") }
      ]
      const { authority, call, settings } = yield* start({ connections })
      const store = yield* storeAt(settings.database ?? "")
      const ask = (name: string) => call(`/v1/token?key=made/${name}`)
      const names = Array.from({ length: 40 }, (_, at) => `name-${at}`)
      const answers = yield* Effect.forEach(names, ask, { concurrency: 8 })
      assert.strictEqual(answers.filter(({ status }) => status === 200).length, 5)
      for (const { json, status } of answers.filter(({ status }) => status !== 200)) {
        assert.deepStrictEqual([status, json.message.includes("maxKeys")], [404, true])
      }
      assert.strictEqual((yield* store.page({ after: undefined, limit: 100 })).length, 5)
      assert.strictEqual((yield* authority.tokenRequests).length, 5)
      const [first] = yield* store.page({ after: undefined, limit: 1 })
      assert.strictEqual((yield* call(`/v1/token?key=${first?.key}`)).status, 200)
    })
  )

  holds("limits how often a caller asks, and how often anybody guesses", () =>
    Effect.gen(function* () {
      const { call } = yield* start({ rate: { requests: 5, per: "10 hours" } })
      const many = yield* Effect.replicateEffect(call("/v1/connections"), 12)
      assert.deepStrictEqual(
        many.map(({ status }) => status),
        [...Array(5).fill(200), ...Array(7).fill(429)]
      )
      for (const { headers, json, status } of many) {
        if (status === 429) assert.strictEqual(json.retryAfter, Number(headers.get("retry-after")))
        if (status === 200) assert.isNull(headers.get("retry-after"))
        else assert.closeTo(Number(headers.get("retry-after")), 2 * 3_600, 60)
      }
      const guess = call("/v1/connections", { as: Redacted.make("guess") })
      const [took, guesses] = yield* Effect.timed(Effect.all(Effect.replicate(guess, 200), { concurrency: 50 }))
      const heard = guesses.filter(({ status }) => status !== 429).length
      assert.isAtMost(heard, 20 + 20 * Math.ceil(Duration.toSeconds(took)))
    })
  )

  holds(
    "RemoteTokenProvider: the same service as a local provider, with one request, a copy in memory and 401 repair",
    () =>
      Effect.gen(function* () {
        const { admin, authority, url } = yield* start()
        yield* Effect.gen(function* () {
          const provider = yield* TokenProvider
          const all = yield* Effect.all(Effect.replicate(provider.get, 100), { concurrency: "unbounded" })
          const [first] = all
          for (const token of all) assert.strictEqual(token.generation, first?.generation)
          let calls = 0
          const answer = yield* provider.use((token) =>
            ++calls === 1 ? Effect.fail(new TokenRejected()) : Effect.succeed(Redacted.value(token.value))
          )
          assert.strictEqual(calls, 2)
          assert.notStrictEqual(answer, first && Redacted.value(first.value))
          assert.strictEqual((yield* authority.tokenRequests).length, 2)
        }).pipe(
          Effect.provide(RemoteTokenProvider.layer({ url, apiKey: admin, key: "billing" })),
          Effect.provide(FetchHttpClient.layer)
        )
      })
  )

  holds("RemoteTokenProvider: names the option that cannot work, and sends no API key in the clear", () =>
    Effect.gen(function* () {
      const good = { url: "https://tokens.example.com", apiKey: Redacted.make("evk_x"), key: "billing" }
      const wrong = [
        ["url", { ...good, url: "http://tokens.example.com" }],
        ["url", { ...good, url: "tokens.example.com" }],
        ["apiKey", { ...good, apiKey: Redacted.make("") }],
        ["key", { ...good, key: "" }]
      ] as const
      for (const [option, options] of wrong) {
        const error = yield* Effect.flip(Effect.provide(RemoteTokenProvider.make(options), FetchHttpClient.layer))
        assert.strictEqual(error.option, option)
      }
    })
  )

  holds("RemoteTokenProvider: says that a login is needed, and heals by itself once somebody logged in", () =>
    Effect.gen(function* () {
      const { admin, authority, call, url } = yield* start()
      const key = "tenant-a/app"
      const made = RemoteTokenProvider.make({ url, apiKey: admin, key }).pipe(Effect.provide(FetchHttpClient.layer))
      const provider = yield* made
      const error = yield* Effect.flip(provider.get)
      assert.strictEqual(error._tag, "ReauthorizationRequired")
      const { accessToken, refreshToken } = yield* authority.mint()
      const body = {
        key,
        accessToken: Redacted.value(accessToken),
        refreshToken: Redacted.value(refreshToken),
        expiresIn: 300
      }
      yield* call("/v1/token", { method: "PUT", body: JSON.stringify(body) })
      const token = yield* provider.get.pipe(Effect.retry({ times: 100, schedule: Schedule.spaced("100 millis") }))
      assert.strictEqual(Redacted.value(token.value), body.accessToken)
      yield* provider.put(TokenSet.make({ accessToken: "put-here", expiresIn: "1 hour" }))
      assert.strictEqual(Redacted.value((yield* provider.get).value), "put-here")
      assert.strictEqual((yield* call(`/v1/token?key=${key}`)).json.accessToken, "put-here")
      yield* provider.forget
      assert.strictEqual((yield* call(`/v1/token?key=${key}`)).status, 409)
    })
  )
})

function holds(title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) {
  it.scopedLive(title, test)
}
