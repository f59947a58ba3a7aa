import { copyFileSync, readFileSync } from "node:fs"
import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { ran, run } from "./Bin.js"
import { serving } from "./Serving.js"

describe("evertoken restored", () => {
  it.scopedLive(
    "after it, no spent refresh token of the backup is sent: its keys need a login, those written since do not",
    () =>
      Effect.gen(function* () {
        const { authority, bin, call, env } = yield* serving
        const file = env.DATABASE_URL.slice("file:".length)
        const login = logging(authority, call)
        const refreshed = refreshing(call)
        const keys = ["acme/app", "beta/app", "left/app"]
        for (const key of keys) yield* login(key)
        const stop = (server: typeof bin) => Effect.zipRight(server.kill("SIGTERM"), server.ended)
        const started = Effect.tap(run([], env), (server) => server.says(/Listening/))
        yield* stop(bin)
        copyFileSync(file, `${file}.backup`)
        const later = yield* started
        for (const key of keys) assert.strictEqual((yield* refreshed(key)).status, 200)
        yield* stop(later)
        copyFileSync(`${file}.backup`, file)
        const before = new Date().toISOString()
        const since = yield* started
        yield* login("new/app")
        yield* stop(since)

        const unsaid = yield* ran(["restored"], env)
        assert.deepStrictEqual([unsaid.code, unsaid.err.startsWith("evertoken: --before: expected when")], [1, true])
        const ahead = yield* ran(["restored", "--before", "2999-01-01T00:00:00Z"], env)
        assert.deepStrictEqual([ahead.code, ahead.err], [1, "evertoken: --before: expected an instant that is over\n"])
        const bytes = readFileSync(file)
        const look = yield* ran(["restored", "--before", before], env)
        assert.deepStrictEqual([look.code, look.err], [0, ""])
        assert.include(look.out, `3 of 4 rows are from before ${before} and hold a refresh token.\n`)
        assert.include(look.out, "  acme/app\n  beta/app\n  left/app\nNothing was changed: --yes marks them.\n")
        assert.isTrue(bytes.equals(readFileSync(file)))

        const done = yield* ran(["restored", "--before", before, "--keys", "acme/*", "--keys", "beta/*", "--yes"], env)
        assert.deepStrictEqual([done.code, done.err], [0, ""])
        assert.include(done.out, "2 rows are marked: each needs a new login")
        const twice = yield* ran(["restored", "--before", before, "--keys", "acme/*", "--yes"], env)
        assert.include(twice.out, "0 of 4 rows")

        yield* started
        const alarms = Effect.map(authority.tokenRequests, (all) => all.filter(({ alarm }) => alarm).length)
        for (const key of ["acme/app", "beta/app"]) {
          assert.strictEqual((yield* call(`/v1/token?key=${key}`)).status, 200)
          const { json, status } = yield* refreshed(key)
          assert.deepStrictEqual([status, json._tag], [409, "NeedsLogin"])
        }
        const listed = yield* call("/v1/connections?health=login")
        assert.deepStrictEqual(
          listed.json.connections.map((one: { key: string; failure: string }) => [
            one.key,
            /restored/.test(one.failure)
          ]),
          [
            ["acme/app", true],
            ["beta/app", true]
          ]
        )
        assert.strictEqual((yield* refreshed("new/app")).status, 200)
        yield* login("acme/app")
        assert.strictEqual((yield* refreshed("acme/app")).status, 200)
        assert.strictEqual(yield* alarms, 0)
        // What it is for: the provider takes the spent refresh token of a row that was left for a theft.
        yield* refreshed("left/app")
        assert.strictEqual(yield* alarms, 1)
      }),
    300_000
  )

  it.scopedLive(
    "a service that has newer tokens in memory puts them over a marked row, and nobody has to log in",
    () =>
      Effect.gen(function* () {
        const { authority, call, env } = yield* serving
        const [login, refreshed] = [logging(authority, call), refreshing(call)]
        const sql = yield* SqlClient.SqlClient.pipe(
          Effect.provide(yield* Layer.build(SqliteClient.layer({ filename: env.DATABASE_URL.slice("file:".length) })))
        )
        yield* login("acme/app")
        const [row = {}] = yield* sql<Record<string, unknown>>`SELECT * FROM evertoken_tokens WHERE key = 'acme/app'`
        assert.strictEqual((yield* refreshed("acme/app")).status, 200)
        yield* sql`UPDATE evertoken_tokens SET ${sql.update(row, ["key"])} WHERE key = 'acme/app'`
        const before = new Date().toISOString()
        const done = yield* ran(["restored", "--before", before, "--yes"], env)
        assert.include(done.out, "1 rows are marked")
        assert.strictEqual((yield* refreshed("acme/app")).status, 200)
        assert.isTrue((yield* authority.tokenRequests).every(({ alarm }) => !alarm))
      }),
    300_000
  )
})

type Serving = Effect.Effect.Success<typeof serving>

/** A person logs in, and the page puts the tokens. */
const logging = (authority: Serving["authority"], call: Serving["call"]) => (key: string) =>
  Effect.gen(function* () {
    const minted = yield* authority.mint()
    const [accessToken, refreshToken] = [Redacted.value(minted.accessToken), Redacted.value(minted.refreshToken)]
    const body = JSON.stringify({ key, accessToken, refreshToken, expiresIn: 300 })
    assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)
  })

/** The resource server refuses the current token, so that a newer one is needed. */
const refreshing = (call: Serving["call"]) => (key: string) =>
  Effect.flatMap(call(`/v1/token?key=${key}`), ({ json }) => call(`/v1/token?key=${key}&rejected=${json.generation}`))
