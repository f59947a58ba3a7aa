import { assert, describe, layer } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import { missing, OwnMariadb } from "../../store-sql/test/OwnMariadb.js"
import { ran, run } from "./Bin.js"
import { environment } from "./Service.js"
import { servingOn } from "./Serving.js"

const why = missing === undefined ? "" : ` (skipped: ${missing})`

/** Each process takes seconds to start on a busy machine. */
const TIME = 300_000

describe.skipIf(missing !== undefined)(`the service's process on a MariaDB that is not as it should be${why}`, () => {
  layer(OwnMariadb.layer, { excludeTestServices: true, timeout: "5 minutes" })((it) => {
    it.scoped(
      "without autocommit: what was served is there for others at once, and once its process was killed (P4)",
      () =>
        Effect.gen(function* () {
          const { run: sql, url } = yield* OwnMariadb
          yield* Effect.acquireRelease(sql("SET GLOBAL autocommit = 0"), () =>
            Effect.ignore(sql("SET GLOBAL autocommit = 1"))
          )
          assert.strictEqual((yield* ran(["migrate"], { ...environment, DATABASE_URL: url })).code, 0)
          const { authority, bin, call, env } = yield* servingOn({ database: url })
          const minted = yield* authority.mint()
          const [accessToken, refreshToken] = [Redacted.value(minted.accessToken), Redacted.value(minted.refreshToken)]
          const body = JSON.stringify({ key: "a", accessToken, refreshToken, expiresIn: 300 })
          const kept = Effect.map(sql("SELECT generation FROM tokens.evertoken_tokens"), ([row]) => row?.generation)
          const put = yield* call("/v1/token", { method: "PUT", body })
          assert.deepStrictEqual([put.status, put.json.generation], [200, yield* kept])
          const { json } = yield* call(`/v1/token?key=a&rejected=${put.json.generation}`)
          assert.strictEqual(json.generation, yield* kept)
          // Nor does a transaction stay open, in whose locks the next upgrade of the tables would wait.
          yield* Effect.repeat(sql("SELECT 1 FROM information_schema.innodb_trx"), {
            schedule: Schedule.spaced("50 millis"),
            until: (open) => open.length === 0
          })
          yield* bin.kill("SIGKILL")
          yield* bin.ended
          yield* (yield* run(["--no-worker"], env)).says(/Listening/)
          const after = yield* call("/v1/token?key=a")
          assert.deepStrictEqual([after.json.accessToken, after.json.generation], [json.accessToken, json.generation])
        }),
      TIME
    )

    it.scoped("a primary that was demoted: its sessions are given up, and what is put is saved by new ones (P14)", () =>
      Effect.gen(function* () {
        const { run: sql, url } = yield* OwnMariadb
        const { bin, call } = yield* servingOn({ database: url })
        const put = (key: string) =>
          call("/v1/token", { method: "PUT", body: JSON.stringify({ key, accessToken: "at", expiresIn: 300 }) })
        // As many at once as the pool has sessions, and more.
        const some = (name: string) =>
          Effect.forEach(Array.from({ length: 20 }), (_, at) => put(`${name} ${at}`), { concurrency: "unbounded" })
        const all = (status: number) => (answers: ReadonlyArray<{ readonly status: number }>) =>
          answers.every((answer) => answer.status === status)
        const often = { schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo("1 minute")) }
        assert.isTrue(all(200)(yield* some("before")))
        // Error 1290.
        yield* sql("SET GLOBAL read_only = 1")
        yield* Effect.repeat(some("meanwhile"), { ...often, until: all(503) })
        assert.isTrue(all(503)(yield* some("meanwhile")))
        assert.strictEqual((yield* call("/v1/token?key=before 0")).json.accessToken, "at")
        // From here on a new session may write, as on a new primary; those that were made before never may.
        yield* sql("GRANT READ_ONLY ADMIN ON *.* TO service@'%'")
        yield* Effect.repeat(some("after"), { ...often, until: all(200) })
        assert.isTrue(all(200)(yield* some("after")))
        assert.isTrue(bin.isAlive())
      })
    )
  })
})
