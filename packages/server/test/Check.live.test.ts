import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Authority } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { postgres } from "../../store-sql/test/Database.js"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { ran, run } from "./Bin.js"
import { caller, endpoint, environment, folder } from "./Service.js"
import { serving } from "./Serving.js"

/** Each process takes seconds to start on a busy machine. */
const TIME = 300_000

describe("evertoken check", () => {
  it.scopedLive(
    "looks and changes nothing: no file, no port, no request, also where the service is at work",
    () =>
      Effect.gen(function* () {
        const { authority, env, path, port } = yield* prepare
        const { code, err, out } = yield* ran(["check"], env, path)
        assert.deepStrictEqual([code, err], [0, ""])
        assert.include(out, "The configuration is good.\nThe tables are not there yet")
        assert.deepStrictEqual(readdirSync(path), [])
        assert.deepStrictEqual(yield* authority.tokenRequests, [])

        // The same over a database that is there: not a byte of it changes, and nothing is left beside it.
        assert.strictEqual((yield* ran(["migrate"], env, path)).code, 0)
        const before = readFileSync(join(path, "tokens.db"))
        yield* busy(port)
        const again = yield* ran(["check"], env, path)
        assert.deepStrictEqual([again.code, again.out, again.err], [0, "The configuration is good.\n", ""])
        assert.deepStrictEqual(readdirSync(path), ["tokens.db"])
        assert.isTrue(before.equals(readFileSync(join(path, "tokens.db"))))
      }),
    TIME
  )

  it.scopedLive(
    "makes no table on PostgreSQL",
    () =>
      Effect.gen(function* () {
        const { env, path } = yield* prepare
        const { connect, url } = yield* postgres.open
        const checked = yield* ran(["check", "--try"], { ...env, DATABASE_URL: url }, path)
        assert.deepStrictEqual([checked.code, checked.err], [0, ""])
        assert.include(checked.out, "The tables are not there yet")
        const tables = yield* Effect.provide(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`SELECT relname FROM pg_class WHERE relname LIKE 'evertoken%'`
          ),
          connect()
        )
        assert.deepStrictEqual(tables, [])
      }),
    TIME
  )

  it.scopedLive(
    "--try asks each endpoint, spends no refresh token, opens rows and tries the port",
    () =>
      Effect.gen(function* () {
        const { authority, bin, call, env } = yield* serving
        const minted = yield* authority.mint()
        const [accessToken, refreshToken] = [Redacted.value(minted.accessToken), Redacted.value(minted.refreshToken)]
        const body = JSON.stringify({ key: "acme/app", accessToken, refreshToken, expiresIn: 300 })
        assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)

        const beside = yield* ran(["check", "--try"], env)
        assert.strictEqual(beside.code, 1)
        assert.match(beside.out, /^WRONG {2}listen: .* cannot be listened on; perhaps the service is running already$/m)
        assert.match(beside.out, /^good {3}connections\[0\] "billing": gave a token/m)
        assert.match(
          beside.out,
          /^good {3}connections\[1\] "\*": answers, and refuses a refresh token that was made up/m
        )
        assert.match(beside.out, /^good {3}database: 1 rows were looked at, and all open$/m)
        yield* bin.kill("SIGTERM")
        yield* bin.ended
        const alone = yield* ran(["check", "--try"], env)
        assert.deepStrictEqual([alone.code, alone.err], [0, ""])

        const wrong = { BILLING_SECRET: "s3cret", APP_SECRET: "s3cret", EVERTOKEN_KEYS: `k2=${"B".repeat(42)}E` }
        const failing = yield* ran(["check", "--try"], { ...env, ...wrong })
        assert.strictEqual(failing.code, 1)
        assert.match(failing.out, /^WRONG {2}connections\[0\] .*invalid_client/m)
        assert.match(failing.out, /^WRONG {2}connections\[1\] .*invalid_client/m)
        assert.match(failing.out, /^WRONG {2}EVERTOKEN_KEYS: 1 of 1 rows do not open: it was sealed by the key "k1"/m)
        assert.notInclude(failing.out, "s3cret")

        // The one that is kept was never sent, and is as good as before.
        const requests = yield* authority.tokenRequests
        assert.isTrue(requests.every(({ alarm }) => !alarm))
        assert.notInclude(
          requests.map(({ grantType, outcome }) => `${grantType} ${outcome}`),
          "refresh_token ok"
        )
        yield* (yield* run([], env)).says(/Listening/)
        const { json } = yield* call("/v1/token?key=acme/app")
        assert.strictEqual((yield* call(`/v1/token?key=acme/app&rejected=${json.generation}`)).status, 200)
      }),
    TIME
  )
})

/** Settings for a service that has never run. */
const prepare = Effect.gen(function* () {
  const authority = yield* Authority.make()
  const path = yield* folder
  const port = yield* freePort
  const config = {
    listen: { port },
    connections: [{ key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") }],
    callers: [caller("admin", ["read"]).setting]
  }
  const env = { ...environment, DATABASE_URL: "file:tokens.db", EVERTOKEN_CONFIG: JSON.stringify(config) }
  return { authority, env, path, port }
})

/** Somebody listens on `port`. */
const busy = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer().listen(port, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
    (server) => Effect.sync(() => server.close())
  )
