import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Authority, slowAnswer } from "@evertoken/authority"
import { TokenSet } from "@evertoken/core"
import { Effect, Equal, Fiber, Option, Redacted, Schedule } from "effect"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { run } from "./Bin.js"
import { caller, calling, endpoint, environment, folder, storeAt } from "./Service.js"

describe("the bin", () => {
  it.scopedLive("--no-worker serves and leaves alone what is due; --worker-only renews it and serves no token", () =>
    Effect.gen(function* () {
      const { admin, authority, call, env, kept, refreshToken, url } = yield* prepare
      const server = yield* run(["--no-worker"], env)
      yield* server.says(/Listening/)
      for (let times = 0; times < 20; times++) {
        const { json, status } = yield* call("/v1/token?key=billing")
        assert.deepStrictEqual([status, typeof json.accessToken], [200, "string"])
      }
      yield* server.kill("SIGTERM")
      const served = yield* server.ended
      assert.strictEqual(served.code, 0)
      assert.notInclude(served.out, "Worker")
      const before = yield* kept
      assert.isTrue(Equal.equals(before.tokens?.refreshToken, refreshToken))
      assert.isBelow(before.dueAt ?? 0, Date.now())
      assert.deepStrictEqual(
        (yield* authority.tokenRequests).map(({ grantType }) => grantType),
        ["client_credentials"]
      )

      const worker = yield* run(["--worker-only"], env)
      yield* worker.says(/Worker: at work/)
      const after = yield* kept.pipe(
        Effect.filterOrFail(({ generation }) => generation > before.generation),
        Effect.retry(Schedule.spaced("50 millis")),
        Effect.timeout("20 seconds")
      )
      assert.isFalse(Equal.equals(after.tokens?.refreshToken, refreshToken))
      const refused = yield* Effect.promise(() => fetch(url).then(String, (error: Error) => String(error.cause)))
      assert.include(refused, "ECONNREFUSED")
      yield* worker.kill("SIGTERM")
      const worked = yield* worker.ended
      assert.strictEqual(worked.code, 0)
      assert.match(worked.out, /Worker: renewed 1, adopted \d+, failed 0/)
      for (const { err, out } of [served, worked]) {
        for (const secret of [...Object.values(environment), Redacted.value(admin), Redacted.value(refreshToken)]) {
          assert.notInclude(`${out}${err}`, secret)
        }
      }
    })
  )

  it.scopedLive("on SIGTERM, finishes and saves a refresh whose answer is under way, and ends with 0", () =>
    Effect.gen(function* () {
      const { authority, call, env, kept, refreshToken } = yield* prepare
      const before = yield* kept
      const server = yield* run(["--no-worker"], env)
      yield* server.says(/Listening/)
      yield* authority.break(slowAnswer("1 second"), 1)
      const asking = yield* Effect.fork(Effect.exit(call(`/v1/token?key=acme/app&rejected=${before.generation}`)))
      const spent = Effect.map(authority.tokenRequests, (requests) =>
        requests.filter(({ outcome }) => outcome === "ok")
      )
      yield* spent.pipe(
        Effect.filterOrFail((requests) => requests.length === 1),
        Effect.retry(Schedule.spaced("10 millis")),
        Effect.timeout("20 seconds")
      )
      assert.strictEqual((yield* kept).generation, before.generation)
      yield* server.kill("SIGTERM")
      assert.strictEqual((yield* server.ended).code, 0)
      yield* Fiber.join(asking)
      const after = yield* kept
      assert.strictEqual(after.generation, before.generation + 1)
      assert.isFalse(Equal.equals(after.tokens?.refreshToken, refreshToken))
      assert.deepStrictEqual([after.leaseOwner, after.intentOwner, after.failures], [undefined, undefined, 0])

      // And the new pair is good: the next process refreshes with it.
      const next = yield* run(["--no-worker"], env)
      yield* next.says(/Listening/)
      const { status } = yield* call(`/v1/token?key=acme/app&rejected=${after.generation}`)
      assert.strictEqual(status, 200)
      assert.strictEqual((yield* spent).length, 2)
      assert.isTrue((yield* authority.tokenRequests).every(({ alarm }) => !alarm))
    })
  )

  it.scopedLive("check says whether the configuration is good, listens on nothing and asks for no token", () =>
    Effect.gen(function* () {
      const { authority, env } = yield* prepare
      const checked = yield* Effect.flatMap(run(["check"], env), ({ ended }) => ended)
      assert.deepStrictEqual([checked.code, checked.err], [0, ""])
      assert.include(checked.out, "The configuration is good.")
      assert.deepStrictEqual(yield* authority.tokenRequests, [])
      const path = yield* folder
      writeFileSync(join(path, "evertoken.json"), env.EVERTOKEN_CONFIG)
      const { EVERTOKEN_CONFIG: _, ...rest } = env
      const byFile = yield* Effect.flatMap(run(["check"], rest, path), ({ ended }) => ended)
      assert.deepStrictEqual([byFile.code, byFile.err], [0, ""])
    })
  )

  it.scopedLive(
    "half configured, it refuses to start: exit code 1, one line that names the setting, no secret",
    () =>
      Effect.gen(function* () {
        const { config, env } = yield* prepare
        const [billing] = config.connections
        const [mine] = config.callers
        const text = join(yield* folder, "text.db")
        writeFileSync(text, "a note of somebody\n".repeat(100))
        const one = (changes: object) => ({ connections: [{ ...billing, ...changes }] })
        const cases: ReadonlyArray<
          readonly [says: string, config: object, env?: Record<string, string>, args?: string]
        > = [
          ["--config: ", {}, { EVERTOKEN_CONFIG: "" }, "--config=nowhere.json"],
          ["the configuration: expected JSON", {}, { EVERTOKEN_CONFIG: '{"s3cret' }],
          ["connections: it is missing", { connections: undefined }],
          ["callers: nobody may call", { callers: [] }],
          ["callers[1].name: another caller", { callers: [mine, { ...mine, hash: "0".repeat(64) }] }],
          ["callers[1].hash: another caller", { callers: [mine, { ...mine, name: "other" }] }],
          ["callers[0].hash: ", { callers: [{ name: "x", hash: "s3cret", keys: ["*"], verbs: ["read"] }] }],
          ["caller: there is no such setting", { caller: "s3cret" }],
          [
            "connections[0].clientSecret: the environment variable BILLING_SECRET is not set",
            {},
            { BILLING_SECRET: "" }
          ],
          ["connections[0].clientSecret: expected where the secret is", one({ clientSecret: "s3cret" })],
          ["connections[0].clientSecret: the file /nowhere", one({ clientSecret: "file:/nowhere" })],
          ["connections[0].tokenEndpoint: ", one({ tokenEndpoint: "http://example.com/s3cret" })],
          ["connections[0].grant: ", one({ grant: "s3cret" })],
          ["connections[0]: expected a login", { connections: [{ key: "odd", grant: "custom" }] }],
          ["connections[1].key: another connection has this key", { connections: [billing, billing] }],
          ["EVERTOKEN_KEYS: ", {}, { EVERTOKEN_KEYS: "" }],
          ["EVERTOKEN_KEYS: ", {}, { EVERTOKEN_KEYS: "k1=s3cret" }],
          ["DATABASE_URL: expected file:tokens.db", {}, { DATABASE_URL: "oracle://u:s3cret@127.0.0.1/x" }],
          [
            "DATABASE_URL: the database cannot be reached at 127.0.0.1:1 (ECONNREFUSED)",
            {},
            { DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/x" }
          ],
          [`DATABASE_URL: the file ${text} cannot be opened: it is no SQLite`, {}, { DATABASE_URL: `file:${text}` }],
          [
            `DATABASE_URL: the file ${text} cannot be opened: it is no SQLite`,
            {},
            { DATABASE_URL: `file:${text}` },
            "check"
          ],
          ["database: the environment variable NO_URL is not set", { database: "env:NO_URL" }],
          ["database: the file /nowhere/url cannot be read", { database: "file:/nowhere/url" }],
          ["DATABASE_URL: the file /nowhere/url cannot be read", {}, { DATABASE_URL: "file:/nowhere/url" }],
          ["DATABASE_URL: the environment variable NO_URL is not set", {}, { DATABASE_URL: "env:NO_URL" }],
          ["EVERTOKEN_KEYS: the file /nowhere/keys cannot be read", {}, { EVERTOKEN_KEYS: "file:/nowhere/keys" }],
          ["policy.lease: expected a duration", { policy: { lease: "s3cret" } }],
          ["listen.port: ", { listen: { port: 70_000 } }],
          ["listen: ", { listen: { host: "192.0.2.1", port: 1_024 } }],
          ["--worker-only: ", {}, {}, "--worker-only --no-worker"],
          ["arguments: ", {}, {}, "--s3cret"],
          ["arguments: ", {}, {}, "dance"]
        ]
        const wrong = yield* Effect.forEach(
          cases,
          ([says, changes, more, args = ""]) =>
            Effect.gen(function* () {
              const all = { ...env, EVERTOKEN_CONFIG: JSON.stringify({ ...config, ...changes }), ...more }
              const bin = yield* run(
                args.split(" ").filter((arg) => arg !== ""),
                all
              )
              const { code, err, out } = yield* bin.ended
              const secrets = ["s3cret", ...Object.values(environment)]
              const good =
                code === 1 &&
                err.startsWith(`evertoken: ${says}`) &&
                err.trimEnd().split("\n").length === 1 &&
                secrets.every((secret) => !`${out}${err}`.includes(secret))
              return good ? [] : [`${says} — ${code} — ${out}${err}`]
            }).pipe(Effect.scoped),
          { concurrency: 2 }
        )
        assert.deepStrictEqual(wrong.flat(), [])
      }),
    300_000
  )

  it.scopedLive(
    "serves with each secret in a file: the database's address, the encryption keys, a client's secret",
    () =>
      Effect.gen(function* () {
        const { call, env, kept, refreshToken } = yield* prepare
        const path = yield* folder
        const inFiles = Object.entries({ ...environment, DATABASE_URL: env.DATABASE_URL }).map(([name, secret]) => {
          writeFileSync(join(path, name), `${secret}\n`)
          return [name, `file:${join(path, name)}`]
        })
        const server = yield* run(["--no-worker"], { ...env, ...Object.fromEntries(inFiles) })
        yield* server.says(/Listening/)
        assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
        const { generation } = yield* kept
        assert.strictEqual((yield* call(`/v1/token?key=acme/app&rejected=${generation}`)).status, 200)
        assert.isFalse(Equal.equals((yield* kept).tokens?.refreshToken, refreshToken))
      })
  )

  it.scopedLive("prints API keys and encryption keys that can be used", () =>
    Effect.gen(function* () {
      const { config, env } = yield* prepare
      const { out: api } = yield* Effect.flatMap(run(["api-key"], {}), ({ ended }) => ended)
      const [, hash] = /hash to configure: +([0-9a-f]{64})\n/.exec(api) ?? []
      const { out: keys } = yield* Effect.flatMap(run(["encryption-key"], {}), ({ ended }) => ended)
      const [, EVERTOKEN_KEYS = ""] = /^EVERTOKEN_KEYS=(\S+)\n$/.exec(keys) ?? []
      const callers = [{ name: "x", hash, keys: ["*"], verbs: ["read"] }]
      const all = { ...env, EVERTOKEN_KEYS, EVERTOKEN_CONFIG: JSON.stringify({ ...config, callers }) }
      const checked = yield* Effect.flatMap(run(["check"], all), ({ ended }) => ended)
      assert.deepStrictEqual([checked.code, checked.err], [0, ""])
    })
  )
})

/** An authorization server, what the bin needs to use it, and a row in its database that is due and still holds. */
const prepare = Effect.gen(function* () {
  const authority = yield* Authority.make({ lifetime: "5 minutes" })
  const address = `file:${join(yield* folder, "tokens.db")}`
  const port = yield* freePort
  const admin = caller("admin", ["read", "put", "watch"])
  const config = {
    listen: { port },
    connections: [
      { key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") },
      { key: "*/app", grant: "refresh_token", ...endpoint(authority, "app") }
    ],
    callers: [admin.setting],
    worker: { every: "100 millis", listen: { port: 0 } }
  }
  const env = { ...environment, DATABASE_URL: address, EVERTOKEN_CONFIG: JSON.stringify(config) }
  const { accessToken, expiresIn, refreshToken } = yield* authority.mint()
  const tokens = TokenSet.make({ accessToken, refreshToken, expiresIn }).obtained(Date.now())
  const opened = Effect.scoped(Effect.flatMap(storeAt(address), (store) => store.put("acme/app", tokens, 0)))
  yield* opened
  const kept = Effect.scoped(Effect.flatMap(storeAt(address), (store) => store.load("acme/app"))).pipe(
    Effect.map(Option.getOrThrow)
  )
  const url = `http://127.0.0.1:${port}`
  return { admin: admin.key, authority, call: calling(url, admin.key), config, env, kept, refreshToken, url }
})
