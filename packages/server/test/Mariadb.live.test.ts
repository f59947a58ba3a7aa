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

    /** What a server says whose sessions may read and not write, by the error that it says so with. */
    const demotions: Readonly<Record<string, Demotion>> = {
      "--read-only, 1290": {
        demote: ["SET GLOBAL read_only = 1"],
        promote: ["GRANT READ_ONLY ADMIN ON *.* TO service@'%'"],
        restore: ["REVOKE READ_ONLY ADMIN ON *.* FROM service@'%'", "SET GLOBAL read_only = 0"]
      },
      // Which only a server that starts so says by itself: MySQL the first, MariaDB the second.
      "InnoDB read-only, 1836": raised(1836),
      "InnoDB read-only, 1036": raised(1036)
    }
    for (const [name, { demote, promote, restore }] of Object.entries(demotions)) {
      it.scoped(
        `a primary that was demoted (${name}): its sessions are given up, and what is put is saved by new ones (P14)`,
        () =>
          Effect.gen(function* () {
            const { run: sql, url } = yield* OwnMariadb
            const all = (statements: ReadonlyArray<string>) => Effect.forEach(statements, sql, { discard: true })
            const { bin, call } = yield* servingOn({ database: url })
            const put = (key: string) =>
              call("/v1/token", { method: "PUT", body: JSON.stringify({ key, accessToken: "at", expiresIn: 300 }) })
            // As many at once as the pool has sessions, and more.
            const some = (name: string) =>
              Effect.forEach(Array.from({ length: 20 }), (_, at) => put(`${name} ${at}`), { concurrency: "unbounded" })
            const are = (status: number) => (answers: ReadonlyArray<{ readonly status: number }>) =>
              answers.every((answer) => answer.status === status)
            const often = { schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo("1 minute")) }
            assert.isTrue(are(200)(yield* some("before")))
            yield* Effect.acquireRelease(all(demote), () => Effect.orDie(all(restore)))
            yield* Effect.repeat(some("meanwhile"), { ...often, until: are(503) })
            assert.isTrue(are(503)(yield* some("meanwhile")))
            assert.strictEqual((yield* call("/v1/token?key=before 0")).json.accessToken, "at")
            // From here on a new session may write, as on a new primary; those that were made before never may.
            yield* all(promote)
            yield* Effect.repeat(some("after"), { ...often, until: are(200) })
            assert.isTrue(are(200)(yield* some("after")))
            assert.isTrue(bin.isAlive())
          })
      )
    }
  })
})

interface Demotion {
  readonly demote: ReadonlyArray<string>
  readonly promote: ReadonlyArray<string>
  readonly restore: ReadonlyArray<string>
}

/** Sessions whose writes fail by this error, as the server raises it for them: all, then those that there are already. */
const raised = (error: number): Demotion => {
  const raise = `SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${error}, MESSAGE_TEXT = 'read-only'`
  const body = `FOR EACH ROW IF CONNECTION_ID() <= (SELECT last FROM tokens.demoted) THEN ${raise}; END IF`
  return {
    demote: [
      "CREATE TABLE tokens.demoted SELECT 1000000000 AS last",
      `CREATE TRIGGER tokens.no_insert BEFORE INSERT ON tokens.evertoken_tokens ${body}`,
      `CREATE TRIGGER tokens.no_update BEFORE UPDATE ON tokens.evertoken_tokens ${body}`
    ],
    promote: ["UPDATE tokens.demoted SET last = (SELECT MAX(id) FROM information_schema.processlist)"],
    restore: ["DROP TRIGGER tokens.no_insert", "DROP TRIGGER tokens.no_update", "DROP TABLE tokens.demoted"]
  }
}
