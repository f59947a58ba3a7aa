import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { postgres } from "../../store-sql/test/Database.js"
import { ran, run } from "./Bin.js"
import { serving } from "./Serving.js"

/** Each process takes seconds to start on a busy machine. */
const TIME = 300_000
const [K1, K2] = [`k1=${"A".repeat(42)}E`, `k2=${"B".repeat(42)}E`]

describe("evertoken report and rotate", () => {
  it.scopedLive(
    "move every row to the newest key beside a service at work, and say when the old key can go",
    () =>
      Effect.gen(function* () {
        const { bin, call, env } = yield* serving
        const put = (key: string) =>
          call("/v1/token", {
            method: "PUT",
            body: JSON.stringify({ key, accessToken: `s3cret-${key}`, expiresIn: 300 })
          })
        for (const key of ["a", "b", "c"]) yield* put(key)
        const first = yield* ran(["report"], env)
        assert.deepStrictEqual([first.code, first.err], [0, ""])
        assert.strictEqual(first.out, '3 rows are sealed by the key "k1", which seals now.\nAll 3 rows open.\n')

        // The new key goes first into the service, and then the rows follow.
        yield* bin.kill("SIGTERM")
        yield* bin.ended
        const both = { ...env, EVERTOKEN_KEYS: `${K2},${K1}` }
        yield* (yield* run([], both)).says(/Listening/)
        yield* put("d")
        const middle = yield* ran(["report"], both)
        assert.include(middle.out, '3 rows are sealed by the key "k1".\n')
        assert.include(middle.out, '1 rows are sealed by the key "k2", which seals now.\n')
        const rotated = yield* ran(["rotate"], both)
        assert.deepStrictEqual([rotated.code, rotated.err], [0, ""])
        assert.include(rotated.out, "3 of 3 rows: 3 sealed anew, 0 changed meanwhile, 0 do not open\n")
        assert.include(rotated.out, '4 rows are sealed by the key "k2", which seals now.\n')
        assert.notInclude(rotated.out, "k1")
        for (const key of ["a", "b", "c", "d"]) {
          assert.strictEqual((yield* call(`/v1/token?key=${key}`)).json.accessToken, `s3cret-${key}`)
        }

        const without = yield* ran(["report"], { ...env, EVERTOKEN_KEYS: K2 })
        assert.deepStrictEqual([without.code, without.out.endsWith("All 4 rows open.\n")], [0, true])
        const old = yield* ran(["report"], { ...env, EVERTOKEN_KEYS: K1 })
        assert.strictEqual(old.code, 2)
        assert.include(old.out, "4 of 4 rows do not open and are left as they are:\n")
        assert.include(old.out, '  4: it was sealed by the key "k2", which is not at hand\n  a\n  b\n  c\n  d\n')
        const back = yield* ran(["rotate"], { ...env, EVERTOKEN_KEYS: K1 })
        assert.strictEqual(back.code, 2)
        assert.include(back.out, "4 rows are left as they were: no key in EVERTOKEN_KEYS opens them")
        for (const { err, out } of [first, middle, rotated, old, back]) assert.notInclude(`${out}${err}`, "s3cret")
      }),
    TIME
  )

  it.scopedLive(
    "seal what was written with encryption off once --plain says so",
    () =>
      Effect.gen(function* () {
        const { bin, call, env } = yield* serving
        yield* bin.kill("SIGTERM")
        yield* bin.ended
        const off = {
          ...env,
          EVERTOKEN_CONFIG: JSON.stringify({ ...JSON.parse(env.EVERTOKEN_CONFIG), encryption: "off" })
        }
        const plain = yield* run([], off)
        yield* plain.says(/Listening/)
        yield* call("/v1/token", { method: "PUT", body: JSON.stringify({ key: "a", accessToken: "s3cret-a" }) })
        yield* plain.kill("SIGTERM")
        yield* plain.ended
        assert.include(
          (yield* ran(["report"], off)).out,
          '1 rows are written with encryption "off".\nAll 1 rows open.\n'
        )
        const refused = yield* ran(["rotate", "--plain"], off)
        assert.deepStrictEqual(
          [refused.code, refused.err.slice(0, 35)],
          [1, 'evertoken: encryption: expected "on"'.slice(0, 35)]
        )

        const without = yield* ran(["rotate"], env)
        assert.strictEqual(without.code, 2)
        assert.include(without.out, "(--plain seals these too)")
        const sealed = yield* ran(["rotate", "--plain"], env)
        assert.deepStrictEqual([sealed.code, sealed.err], [0, ""])
        assert.include(sealed.out, '1 rows are sealed by the key "k1", which seals now.')
        yield* (yield* run([], env)).says(/Listening/)
        assert.strictEqual((yield* call("/v1/token?key=a")).json.accessToken, "s3cret-a")
      }),
    TIME
  )
})

describe("evertoken migrate", () => {
  it.scopedLive(
    "makes the tables, so that the service needs no right but to read and write rows",
    () =>
      Effect.gen(function* () {
        const { connect, url } = yield* postgres.open
        const ask = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
          Effect.provide(Effect.flatMap(SqlClient.SqlClient, use), connect())
        const name = `evertoken_${randomUUID().slice(0, 8)}`
        yield* Effect.acquireRelease(
          ask((sql) => sql`CREATE ROLE ${sql(name)} LOGIN NOSUPERUSER`),
          () => Effect.ignore(ask((sql) => sql`DROP OWNED BY ${sql(name)}; DROP ROLE ${sql(name)}`.unprepared))
        )
        const user = new URL(url)
        user.username = name
        const { bin, call, env, authority } = yield* serving
        yield* bin.kill("SIGTERM")
        yield* bin.ended

        const limited = { ...env, DATABASE_URL: user.href }
        const expected =
          "evertoken: DATABASE_URL: the tables are not there: `evertoken migrate` makes them, with a database user that may\n"
        for (const command of ["serve", "migrate", "report", "rotate"]) {
          const { code, err } = yield* ran([command], limited)
          assert.deepStrictEqual([command, code, err], [command, 1, expected])
        }
        const owner = { DATABASE_URL: url }
        const made = yield* ran(["migrate"], owner)
        assert.deepStrictEqual(made, { code: 0, out: "The tables are made.\n", err: "" })
        const twice = yield* ran(["migrate"], owner)
        assert.deepStrictEqual(twice, {
          ...{ code: 0, out: "The tables are as this version needs them: nothing was changed.\n", err: "" }
        })
        // As docs/operations.md says.
        for (const grant of [
          "SELECT, INSERT, UPDATE, DELETE ON evertoken_tokens",
          "SELECT, UPDATE ON evertoken_tokens_mark",
          "SELECT ON evertoken_tokens_migrations"
        ]) {
          yield* ask((sql) => sql`GRANT ${sql.literal(grant)} TO ${sql(name)}`.unprepared)
        }
        const server = yield* run([], limited)
        yield* server.says(/Listening/)
        const { accessToken, refreshToken } = yield* authority.mint()
        const [access, refresh] = [Redacted.value(accessToken), Redacted.value(refreshToken)]
        const body = JSON.stringify({ key: "acme/app", accessToken: access, refreshToken: refresh, expiresIn: 300 })
        assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)
        const { json } = yield* call("/v1/token?key=acme/app")
        assert.strictEqual((yield* call(`/v1/token?key=acme/app&rejected=${json.generation}`)).status, 200)
        assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
        assert.strictEqual((yield* call("/v1/connections")).json.connections.length, 2)
        assert.strictEqual((yield* call("/v1/token?key=acme/app", { method: "DELETE" })).status, 204)
        const rotated = yield* ran(["rotate"], { ...limited, EVERTOKEN_KEYS: `${K2},${K1}` })
        assert.deepStrictEqual([rotated.code, rotated.err], [0, ""])
      }),
    TIME
  )
})
