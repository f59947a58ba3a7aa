import { statSync } from "node:fs"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Authority } from "@evertoken/authority"
import { Clock, type Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { type Database, mysql, postgres } from "../../store-sql/test/Database.js"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { type Proxy, proxyTo } from "../../store-sql/test/Proxy.js"
import * as ServiceDatabase from "../src/config/Database.js"
import { run } from "./Bin.js"
import { caller, calling, endpoint, environment, folder, ownDatabase } from "./Service.js"

/** `EVERTOKEN_STORM_ROUNDS=10` (`npm run storm`) is the long form, in which packets are lost for 15 s each time. */
const rounds = Number(process.env.EVERTOKEN_STORM_ROUNDS ?? 1)
const lost: Duration.DurationInput = rounds === 1 ? "3 seconds" : "15 seconds"
/** Milliseconds: the limit of a statement; in the short form what a busy machine may take. Not healed is never. */
const HEALED = rounds === 1 ? 60_000 : 10_000
const KEYS = Array.from({ length: 20 }, (_, at) => `tenant-${at}/app`)

/** A database of its own behind a wire, and its URL through the wire. */
const behindWire = (database: Database) =>
  Effect.gen(function* () {
    const through = new URL(yield* ownDatabase(database))
    const wire = yield* proxyTo(through.hostname, Number(through.port || (database === mysql ? 3306 : 5432)))
    through.hostname = "127.0.0.1"
    through.port = String(wire.port)
    return { wire, url: through.href }
  })

const serving = (DATABASE_URL: string) =>
  Effect.gen(function* () {
    const authority = yield* Authority.make({ lifetime: "60 seconds" })
    const admin = caller("admin", ["read", "put"])
    const port = yield* freePort
    const config = {
      ...{
        listen: { port },
        callers: [admin.setting],
        worker: { every: "1 second" },
        rate: { requests: 10_000, per: "1 second" }
      },
      connections: [{ key: "*/app", grant: "refresh_token", ...endpoint(authority, "app") }]
    }
    const bin = yield* run([], { ...environment, DATABASE_URL, EVERTOKEN_CONFIG: JSON.stringify(config) })
    return { authority, bin, call: calling(`http://127.0.0.1:${port}`, admin.key) }
  })

/** Refuses the token of each key until there is a newer one, which is a refresh and its statements for each. */
const renewed = (call: Effect.Effect.Success<ReturnType<typeof serving>>["call"]) =>
  Effect.forEach(
    KEYS,
    (key) =>
      Effect.gen(function* () {
        const at = `/v1/token?key=${encodeURIComponent(key)}`
        const answered = (path: string) =>
          Effect.repeat(Effect.delay(call(path), "20 millis"), { until: ({ status }) => status === 200 })
        const { json } = yield* answered(at)
        yield* answered(`${at}&rejected=${json.generation}`)
      }),
    { concurrency: "unbounded", discard: true }
  )

for (const database of [postgres, mysql]) {
  const why = database.missing === undefined ? "" : ` (skipped: ${database.missing})`
  describe.skipIf(database.missing !== undefined)(`the service on ${database.name}${why}`, () => {
    it.scopedLive(
      `heals within one statement's limit when the network lost packets, ${rounds} times; no grant is lost (P4, P14)`,
      () =>
        Effect.gen(function* () {
          const { url, wire } = yield* behindWire(database)
          const { authority, bin, call } = yield* serving(url)
          yield* bin.says(/Listening on/)
          const put = Effect.fnUntraced(function* (key: string) {
            const minted = yield* authority.mint()
            const [accessToken, refreshToken] = [
              Redacted.value(minted.accessToken),
              Redacted.value(minted.refreshToken)
            ]
            const body = JSON.stringify({ key, accessToken, refreshToken, expiresIn: 60 })
            yield* Effect.repeat(call("/v1/token", { method: "PUT", body }), { until: ({ status }) => status === 200 })
          })
          yield* Effect.forEach(KEYS, put)
          const load = yield* Effect.forkScoped(Effect.forever(renewed(call)))
          const healed: Array<number> = []
          for (let round = 0; round < rounds; round++) {
            yield* Effect.sleep("2 seconds")
            yield* wire.hold
            yield* Effect.sleep(lost)
            yield* wire.mend
            const began = yield* Clock.currentTimeMillis
            yield* put("probe/app")
            yield* renewed(call)
            healed.push((yield* Clock.currentTimeMillis) - began)
          }
          yield* Fiber.interrupt(load)
          yield* Effect.sync(() => console.log(`${database.name}: answered again after ${healed.join(", ")} ms`))
          assert.isBelow(Math.max(...healed), HEALED)
          assert.isTrue(bin.isAlive())
          // Every grant is alive: each gives a newer token.
          for (const key of KEYS) {
            const at = `/v1/token?key=${encodeURIComponent(key)}`
            const { json } = yield* call(at)
            assert.strictEqual((yield* call(`${at}&rejected=${json.generation}`)).status, 200)
          }
          assert.strictEqual((yield* authority.tokenRequests).filter(({ alarm }) => alarm).length, 0)
        }),
      120_000 + rounds * 60_000
    )

    /** A service that cannot come to the end of its start, since nothing is answered. */
    const starting = (wire: Proxy, url: string) =>
      Effect.gen(function* () {
        yield* wire.hold
        const { bin } = yield* serving(url)
        yield* Effect.repeat(Effect.delay(Effect.sync(wire.made), "20 millis"), { until: (made) => made > 0 })
        return bin
      })

    it.scopedLive("says that the database does not answer, and ends, when it starts meanwhile (P6)", () =>
      Effect.gen(function* () {
        const { url, wire } = yield* behindWire(database)
        const { code, err } = yield* Effect.flatMap(starting(wire, url), ({ ended }) => ended)
        assert.strictEqual(code, 1)
        assert.match(
          err,
          /^evertoken: DATABASE_URL: the database cannot be reached at 127\.0\.0\.1:\d+(?: \(\w+\))?\n$/
        )
      })
    )

    it.scopedLive("ends at once when it is told to while it starts, although nothing is answered (P6)", () =>
      Effect.gen(function* () {
        const { url, wire } = yield* behindWire(database)
        const bin = yield* starting(wire, url)
        yield* bin.kill("SIGTERM")
        // It does not wait until it could say that nothing answers, which is five seconds later.
        const { err } = yield* Effect.timeout(bin.ended, "4 seconds")
        assert.strictEqual(err, "")
      })
    )
  })
}

describe("the service's file", () => {
  it.scopedLive("is made for its user alone, and so is what SQLite keeps beside it", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "tokens.db")
      const client = yield* Layer.build(ServiceDatabase.layer("database", Redacted.make(`file:${path}`)))
      const sql = yield* Effect.provide(SqlClient.SqlClient, client)
      yield* sql`CREATE TABLE t (a)`
      for (const name of ["", "-wal", "-shm"]) assert.strictEqual(statSync(`${path}${name}`).mode & 0o777, 0o600)
    })
  )
})
