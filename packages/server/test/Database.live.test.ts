import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { mysql } from "../../store-sql/test/Database.js"
import { run } from "./Bin.js"
import { environment, start } from "./Service.js"

const why = mysql.missing === undefined ? "" : ` (skipped: ${mysql.missing})`

describe.skipIf(mysql.missing !== undefined)(`the service on ${mysql.name}, by DATABASE_URL${why}`, () => {
  for (const scheme of ["mysql", "mariadb"]) {
    it.scopedLive(`${scheme}://: keeps, refreshes, lists and forgets tokens there, sealed`, () =>
      Effect.gen(function* () {
        const { all, url } = yield* database
        const DATABASE_URL = url.replace(/^mysql:/, `${scheme}:`)
        const { authority, call, settings } = yield* start({ environment: { DATABASE_URL } })
        const key = "tenant-a/ü🔑/app"
        const at = `/v1/token?key=${encodeURIComponent(key)}`
        const minted = yield* authority.mint()
        const [accessToken, refreshToken] = [Redacted.value(minted.accessToken), Redacted.value(minted.refreshToken)]
        const body = JSON.stringify({ key, accessToken, refreshToken, expiresIn: 300 })
        assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)
        const { json } = yield* call(at)
        assert.strictEqual(json.accessToken, accessToken)
        const next = yield* call(`${at}&rejected=${json.generation}`)
        assert.deepStrictEqual([next.status, next.json.generation], [200, json.generation + 1])
        const list = yield* call("/v1/connections")
        assert.deepStrictEqual(
          list.json.connections.map((one: { key: string; health: string }) => [one.key, one.health]),
          [[key, "ok"]]
        )
        const rows = (yield* all).flatMap((row) => Object.values(row)).join("\n") // a Buffer becomes its text
        assert.include(rows, key)
        for (const secret of [accessToken, refreshToken, next.json.accessToken]) assert.notInclude(rows, secret)

        const config = { ...environment, DATABASE_URL, EVERTOKEN_CONFIG: JSON.stringify(plain(settings)) }
        const checked = yield* Effect.flatMap(run(["check"], config), ({ ended }) => ended)
        assert.deepStrictEqual([checked.code, checked.err], [0, ""])
        assert.strictEqual((yield* call(at, { method: "DELETE" })).status, 204)
        assert.deepStrictEqual(yield* all, [])
      })
    )
  }

  it.scopedLive("a database that lets nobody in is told by the name of the setting, without the password", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const DATABASE_URL = url.replace(/\/\/.*@/, "//nobody:s3cret@").replace(/\/\w+$/, "/none")
      const connections = [
        { ...{ key: "a", grant: "client_credentials" }, clientId: "a", tokenEndpoint: "https://a.b/t" }
      ]
      const EVERTOKEN_CONFIG = JSON.stringify({ connections })
      const bin = yield* run(["check", "--worker-only"], { ...environment, DATABASE_URL, EVERTOKEN_CONFIG })
      const { code, err, out } = yield* bin.ended
      const said = `evertoken: DATABASE_URL: the database at ${new URL(url).host} refuses the user, or the password\n`
      assert.deepStrictEqual([code, err, out], [1, said, ""])
    })
  )
})

/** What of the settings is needed to read them again. */
const plain = ({ callers, connections, listen }: Effect.Effect.Success<ReturnType<typeof start>>["settings"]) => ({
  ...{ callers, connections, listen }
})

/** A database of its own, that is gone afterwards. */
const database = Effect.gen(function* () {
  const { connect, url } = yield* mysql.open
  const name = `evertoken_server_${randomUUID().slice(0, 8)}`
  const ask = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
    Effect.provide(Effect.flatMap(SqlClient.SqlClient, use), connect({ maxConnections: 1 }))
  yield* Effect.acquireRelease(
    ask((sql) => sql`CREATE DATABASE ${sql(name)}`.unprepared),
    () => Effect.ignore(ask((sql) => sql`DROP DATABASE ${sql(name)}`.unprepared))
  )
  const own = new URL(url)
  own.pathname = `/${name}`
  return {
    url: own.href,
    all: ask((sql) => sql<Record<string, unknown>>`SELECT * FROM ${sql(name)}.${sql("evertoken_tokens")}`)
  }
})
