import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { postgres } from "../../store-sql/test/Database.js"
import { poolerTo } from "../../store-sql/test/Pooler.js"
import { ownDatabase } from "./Service.js"
import { servingOn } from "./Serving.js"

/** One connection that administers. */
const administering = Effect.fnUntraced(function* (url: string) {
  const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  return yield* Effect.provide(SqlClient.SqlClient, client)
})

describe("the service's process on a database that is not as it should be", () => {
  it.scopedLive(
    "a primary that was demoted: its sessions are given up, and what is put is saved by new ones (P14)",
    () =>
      Effect.gen(function* () {
        const url = yield* ownDatabase(postgres)
        const { bin, call } = yield* servingOn({ database: url })
        const sql = yield* administering(url)
        const name = new URL(url).pathname.slice(1)
        const others = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = ${name} AND pid <> pg_backend_pid()`
        const put = (key: string) =>
          call("/v1/token", { method: "PUT", body: JSON.stringify({ key, accessToken: "at", expiresIn: 300 }) })
        assert.strictEqual((yield* put("before")).status, 200)
        // From here on each session that is made answers, and takes no writes.
        yield* sql`ALTER DATABASE ${sql(name)} SET default_transaction_read_only = on`.unprepared
        yield* others
        // As many at once as the pool has sessions, and more.
        const some = (name: string) =>
          Effect.forEach(Array.from({ length: 20 }), (_, at) => put(`${name} ${at}`), { concurrency: "unbounded" })
        const all = (status: number) => (answers: ReadonlyArray<{ readonly status: number }>) =>
          answers.every((answer) => answer.status === status)
        const often = { schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo("1 minute")) }
        yield* Effect.repeat(some("meanwhile"), { ...often, until: all(503) })
        assert.isTrue(all(503)(yield* some("meanwhile")))
        assert.strictEqual((yield* call("/v1/token?key=before")).json.accessToken, "at")
        yield* sql`SET default_transaction_read_only = off`.unprepared
        yield* sql`ALTER DATABASE ${sql(name)} RESET default_transaction_read_only`.unprepared
        yield* Effect.repeat(some("after"), { ...often, until: all(200) })
        assert.isTrue(all(200)(yield* some("after")))
        assert.isTrue(bin.isAlive())
      })
  )

  it.scopedLive(
    "behind a pooler in transaction mode: that is said once, tokens are kept, no LISTEN is left there, and the process ends (P14)",
    () =>
      Effect.gen(function* () {
        const url = new URL(yield* ownDatabase(postgres))
        const pooler = yield* poolerTo(url.hostname, Number(url.port || 5432))
        Object.assign(url, { hostname: "127.0.0.1", port: String(pooler.port) })
        const { bin, call } = yield* servingOn({ database: url.href })
        yield* bin.says(/through a pooler/)
        const body = JSON.stringify({ key: "a", accessToken: "at", expiresIn: 300 })
        assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)
        assert.strictEqual((yield* call("/v1/token?key=a")).json.accessToken, "at")
        yield* bin.kill("SIGTERM")
        const { code, out } = yield* bin.ended
        assert.deepStrictEqual([code, out.split("through a pooler").length - 1, pooler.strays()], [0, 1, 0])
      })
  )

  it.scopedLive(
    "one in LATIN1: a key that it has no characters for is 400, any other is served, and nothing else fails (P13)",
    () =>
      Effect.gen(function* () {
        const admin = yield* administering(yield* ownDatabase(postgres))
        const name = `latin1_${randomUUID().replaceAll("-", "")}`
        yield* Effect.acquireRelease(
          admin.unsafe(`CREATE DATABASE ${name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`),
          () => Effect.ignore(admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
        )
        const database = Object.assign(new URL(yield* ownDatabase(postgres)), { pathname: `/${name}` }).href
        const { bin, call } = yield* servingOn({ database })
        const put = (key: string) =>
          call("/v1/token", { method: "PUT", body: JSON.stringify({ key, accessToken: "at", expiresIn: 300 }) })
        const { status, text } = yield* put("tenant 🔑")
        assert.deepStrictEqual([status, text.includes("🔑")], [400, false])
        assert.strictEqual((yield* put("tenant é")).status, 200)
        assert.strictEqual((yield* call(`/v1/token?key=${encodeURIComponent("tenant é")}`)).json.accessToken, "at")
        assert.isTrue(bin.isAlive())
      })
  )
})
