import { randomUUID } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { InvalidOption, TokenClient, TokenSet, TokenSource, TokenStore, TokenStoreError } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Effect, Layer, Redacted, type Scope, Stream } from "effect"
import { mysql, onEach, postgres, type Setting } from "./Database.js"

// What people type and set up in their first hour: each mistake is told in words that say what to do.

/** A value as a caller without types passes it. */
const js = (value: unknown) => {
  const box = JSON.parse("{}")
  box.value = value
  return box.value
}

const memory = SqliteClient.layer({ filename: ":memory:" })

describe("P13: options, typed as", () => {
  const made = (options: unknown) => () => js(SqlTokenStore.make)(options)
  const rows: ReadonlyArray<readonly [string, () => unknown, string, ...ReadonlyArray<string>]> = [
    ["none", made(undefined), "options", '"encryption"'],
    ["no encryption", made({}), "encryption", "TokenCipher.config()", '"off"'],
    ['encryption: "none"', made({ encryption: "none" }), "encryption", "TokenCipher.config()", '"off"'],
    ["the key itself", made({ encryption: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" }), "encryption", '"off"'],
    ["tabel", made({ encryption: "off", tabel: "x" }), "tabel", 'did you mean "table"?'],
    ['migrate: "no"', made({ encryption: "off", migrate: "no" }), "migrate", "true or false"],
    ["keys that are not set", made({ encryption: TokenCipher.config() }), "EVERTOKEN_KEYS", "2026-09=…"],
    ["migrate's tabel", () => js(SqlTokenStore.migrate)({ tabel: "x" }), "tabel", '"table"?'],
    ["report's schema: 1", () => js(SqlTokenStore.report)({ schema: 1 }), "schema", "small letters"],
    [
      "rotate without encryption",
      () => Stream.runDrain(js(SqlTokenStore.rotate)({})),
      "encryption",
      "TokenCipher.config()"
    ]
  ]
  for (const [typed, make, option, ...words] of rows) {
    it.effect(`${typed}, name "${option}"`, () =>
      Effect.gen(function* () {
        const making: Effect.Effect<unknown, unknown, Scope.Scope> = Effect.provide(js(make()), memory)
        const error = yield* Effect.flip(Effect.scoped(making))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, option)
        for (const word of words) assert.include(error.message, word)
      })
    )
  }

  it.effect("no SqlClient, name the layer to provide", () =>
    Effect.gen(function* () {
      const makes: ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>> = [
        js(SqlTokenStore.make)({ encryption: "off" }),
        js(SqlTokenStore.migrate)()
      ]
      for (const make of makes) {
        const error = yield* Effect.flip(Effect.scoped(make))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, "SqlClient")
        assert.include(error.message, "SqliteClient.layer")
      }
    })
  )

  it.effect("those of the store, are taken by migrate and report too", () =>
    Effect.gen(function* () {
      const options = { encryption: "off", table: "mine", migrate: false } as const
      yield* SqlTokenStore.migrate(options)
      assert.deepStrictEqual(yield* SqlTokenStore.report(options), [])
    }).pipe(Effect.provide(memory))
  )
})

/** What a client without Effect rejects with, on a store whose database is there for nobody. */
const rejection = (database: Layer.Layer<SqlClient.SqlClient, unknown>) =>
  Effect.promise(async () => {
    let logins = 0
    const login = Effect.sync(() => {
      logins++
      return TokenSet.make({ accessToken: "at" })
    })
    const store = Layer.provide(SqlTokenStore.layer({ encryption: "off" }), database)
    const client = TokenClient.make({ key: "k", source: TokenSource.make({ login }), store })
    const error: unknown = await client.get().catch((error: unknown) => error)
    await client.dispose()
    assert.strictEqual(logins, 0)
    assert.instanceOf(error, Error)
    return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  })

describe("P13: a file that cannot be opened as SQLite is told in the driver's words, before anything is sent", () => {
  it.scopedLive("a folder that is not there, a folder in its place, no database", () =>
    Effect.gen(function* () {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "evertoken-file-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      mkdirSync(join(path, "folder.db"))
      writeFileSync(join(path, "text.db"), "a note of somebody\n".repeat(100))
      for (const [name, words] of [
        ["none/tokens.db", "the directory does not exist"],
        ["folder.db", "unable to open database file"],
        ["text.db", "file is not a database"]
      ] as const) {
        assert.include(yield* rejection(SqliteClient.layer({ filename: join(path, name) })), words)
      }
    })
  )
})

onEach(
  (name) => `P13: what keeps a client from ${name} is told, before anything is sent`,
  (setting) => {
    it.live("nothing listens, no such host, another user or password, no such database", () =>
      Effect.gen(function* () {
        const isPostgres = setting().name === postgres.name
        const layer = isPostgres ? PgClient.layer : MysqlClient.layer
        const changed = (changes: Partial<URL>) => Object.assign(new URL(setting().url), changes).href
        const nobody = { username: "nobody", password: "s3cret" }
        for (const [url, words] of [
          [changed({ ...nobody, host: "127.0.0.1:1" }), /ECONNREFUSED 127\.0\.0\.1:1/],
          [changed({ ...nobody, host: "none.invalid" }), /(?:ENOTFOUND|EAI_AGAIN) none\.invalid/],
          [changed(nobody), isPostgres ? /role "nobody" does not exist/ : /Access denied for user 'nobody'/],
          [changed({ pathname: "/none" }), /database (?:"none" does not exist|'none')/i]
        ] as const) {
          const said = yield* rejection(layer({ url: Redacted.make(url) }))
          assert.match(said, words)
          assert.notInclude(said, "s3cret")
        }
      })
    )
  },
  [postgres, mysql]
)

onEach(
  (name) => `P13: a user of ${name} who may not`,
  (setting) => {
    /** Somebody who may connect, and do what `grants` says. */
    const userWith = (...grants: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const { connect, name, url } = setting()
        const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(connect({ maxConnections: 1 })))
        const user = `someone_${randomUUID().slice(0, 8)}`
        const run = (statement: string) => sql.unsafe(statement).unprepared
        const here = new URL(url)
        const database = here.pathname.slice(1)
        if (name === postgres.name) {
          yield* Effect.acquireRelease(run(`CREATE ROLE ${user} LOGIN PASSWORD 'pw'`), () =>
            Effect.ignore(Effect.zipRight(run(`DROP OWNED BY ${user}`), run(`DROP ROLE ${user}`)))
          )
          for (const grant of grants) yield* run(`GRANT ${grant} TO ${user}`)
          here.username = user
          here.password = "pw"
          return PgClient.layer({ url: Redacted.make(here.href) })
        }
        yield* Effect.acquireRelease(run(`CREATE USER ${user}@'%' IDENTIFIED BY 'pw'`), () =>
          Effect.ignore(run(`DROP USER ${user}@'%'`))
        )
        yield* run(`GRANT SELECT ON ${database}.no_such_table TO ${user}@'%'`).pipe(Effect.ignore)
        yield* run(`CREATE TABLE IF NOT EXISTS ${database}.someone_here (a int)`)
        yield* run(`GRANT SELECT ON ${database}.someone_here TO ${user}@'%'`)
        for (const grant of grants) yield* run(`GRANT ${grant} TO ${user}@'%'`)
        const { hostname, port } = here
        return MysqlClient.layer({
          ...{ host: hostname, port: Number(port || 3306), username: user, password: Redacted.make("pw"), database }
        })
      })

    const isTold = (error: unknown, setting: Setting, place: RegExp) => {
      assert.instanceOf(error, TokenStoreError)
      assert.strictEqual(error.reason, "setup")
      for (const word of [
        "does not permit it",
        "Grant SELECT, INSERT, UPDATE and DELETE",
        "CREATE",
        "SqlTokenStore.migrate"
      ]) {
        assert.include(error.message, word)
      }
      if (setting.name === postgres.name) assert.match(error.message, place)
    }

    it.live("make tables is told at once which right is missing, and migrate", () =>
      Effect.gen(function* () {
        const client = yield* userWith()
        const started = yield* Clock.currentTimeMillis
        const options = { encryption: "off", table: setting().table("denied") } as const
        const error = yield* Effect.flip(Effect.provide(SqlTokenStore.make(options), client))
        isTold(error, setting(), /permission denied for schema public/)
        // Half of what it goes on for where others make the tables at the same time.
        assert.isBelow((yield* Clock.currentTimeMillis) - started, 4_500)
      }).pipe(Effect.scoped)
    )

    it.live("use the tables is told which right is missing", () =>
      Effect.gen(function* () {
        const table = setting().table("unreadable")
        yield* Effect.provide(SqlTokenStore.migrate({ table }), setting().connect())
        const client = yield* userWith()
        const store = Layer.provide(SqlTokenStore.layer({ encryption: "off", table, migrate: false }), client)
        const error = yield* Effect.flip(
          Effect.provide(
            Effect.flatMap(TokenStore, ({ load }) => load("k")),
            store
          )
        )
        isTold(error, setting(), /permission denied for table/)
      }).pipe(Effect.scoped)
    )
  },
  [postgres, mysql]
)
