import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { TokenSet } from "@evertoken/core"
import { Deferred, Effect, Layer, Redacted } from "effect"
import { mysql, postgres } from "../../store-sql/test/Database.js"
import * as ServiceDatabase from "../src/config/Database.js"
import { ran, run } from "./Bin.js"
import { environment, ownDatabase, storeAt } from "./Service.js"

/** Each process takes seconds to start on a busy machine. */
const TIME = 300_000
/** More than two steps of a rotation, which are of 100 rows. */
const KEYS = Array.from({ length: 250 }, (_, at) => `tenant-${String(at).padStart(3, "0")}`)

for (const database of [postgres, mysql]) {
  const why = database.missing === undefined ? "" : ` (skipped: ${database.missing})`
  describe.skipIf(database.missing !== undefined)(`the commands on ${database.name}${why}`, () => {
    it.scopedLive(
      "rotate ends at once when it is told to, and goes on when it is run again; all rows open at each step",
      () =>
        Effect.gen(function* () {
          const DATABASE_URL = yield* ownDatabase(database)
          const store = yield* storeAt(DATABASE_URL)
          const put = (key: string) => store.put(key, TokenSet.make({ accessToken: `s3cret-${key}` }), undefined)
          yield* Effect.forEach(KEYS, put, { concurrency: 8 })
          const both = { DATABASE_URL, EVERTOKEN_KEYS: `k2=${"B".repeat(42)}E,${environment.EVERTOKEN_KEYS}` }

          const free = yield* lockedRow(DATABASE_URL, "tenant-150")
          const stopped = yield* run(["rotate"], both)
          yield* stopped.says(/100 of 250 rows/)
          // Until the row is free, or the database gives up waiting for it.
          yield* stopped.kill("SIGTERM")
          const { code, err, out } = yield* Effect.timeout(stopped.ended, "8 seconds")
          yield* free
          assert.deepStrictEqual([code, err], [130, ""])
          assert.notInclude(out, "250 of 250")
          const half = yield* ran(["report"], both)
          assert.deepStrictEqual([half.code, half.err], [0, ""])
          assert.include(half.out, 'sealed by the key "k1".\n')
          assert.include(half.out, 'sealed by the key "k2", which seals now.\n')
          assert.include(half.out, "All 250 rows open.\n")

          const again = yield* ran(["rotate"], both)
          assert.deepStrictEqual([again.code, again.err], [0, ""])
          assert.include(again.out, '250 rows are sealed by the key "k2", which seals now.\n')
          const { code: last, out: all } = yield* ran(["report"], { ...both, EVERTOKEN_KEYS: `k2=${"B".repeat(42)}E` })
          assert.deepStrictEqual([last, all.endsWith("All 250 rows open.\n")], [0, true])
        }),
      TIME
    )

    it.scopedLive(
      "restored marks the rows of the backup and no other, changes nothing before --yes, and can be run again",
      () =>
        Effect.gen(function* () {
          const DATABASE_URL = yield* ownDatabase(database)
          const store = yield* storeAt(DATABASE_URL)
          const put = (key: string, refreshToken?: string) =>
            store.put(key, TokenSet.make({ accessToken: "at", refreshToken }), undefined)
          yield* put("a/app", "rt")
          yield* put("b/app", "rt")
          yield* put("c/login")
          // The clocks of the database and of this process are one, but for milliseconds.
          yield* Effect.sleep("1 second")
          const before = new Date(Date.now() - 500).toISOString()
          yield* put("new/app", "rt")
          const env = { ...environment, DATABASE_URL }
          const dead = Effect.forEach(["a/app", "b/app", "c/login", "new/app"], (key) =>
            Effect.map(Effect.flatten(store.load(key)), (row) => row.dead)
          )

          const look = yield* ran(["restored", "--before", before], env)
          assert.deepStrictEqual([look.code, look.err], [0, ""])
          assert.include(
            look.out,
            `2 of 4 rows are from before ${before} and hold a refresh token.\n  a/app\n  b/app\n`
          )
          assert.deepStrictEqual(yield* dead, [false, false, false, false])
          const done = yield* ran(["restored", "--before", before, "--yes"], env)
          assert.deepStrictEqual([done.code, done.err], [0, ""])
          assert.include(done.out, "2 rows are marked: each needs a new login")
          assert.deepStrictEqual(yield* dead, [true, true, false, false])
          const again = yield* ran(["restored", "--before", before, "--yes"], env)
          assert.deepStrictEqual([again.code, again.out.startsWith("0 of 4 rows")], [0, true])
        }),
      TIME
    )
  })
}

/** Another session that has the row of `key`; gives what frees it. */
const lockedRow = Effect.fnUntraced(function* (url: string, key: string) {
  const client = yield* Layer.build(ServiceDatabase.layer("database", Redacted.make(url)))
  const sql = yield* Effect.provide(SqlClient.SqlClient, client)
  const [held, freed] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const hold = sql`SELECT generation FROM evertoken_tokens WHERE ${sql("key")} = ${key} FOR UPDATE`.pipe(
    Effect.zipRight(Deferred.succeed(held, undefined)),
    Effect.zipRight(Deferred.await(freed)),
    sql.withTransaction
  )
  const holding = yield* Effect.forkScoped(hold)
  yield* Deferred.await(held)
  return Effect.zipRight(Deferred.succeed(freed, undefined), holding.await)
})
