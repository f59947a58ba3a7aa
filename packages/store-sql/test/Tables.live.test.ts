import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenProvider, TokenSet, TokenSource, TokenStore, TokenStoreError } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Layer, Option, Redacted, Schedule, String } from "effect"
import { onEach, postgres } from "./Database.js"
import { recorded } from "./Recorded.js"

const TOKENS = TokenSet.make({ accessToken: "at", refreshToken: "rt" })
/** A failure that is tried again would take longer than a caller waits here, and come as another error. */
const AT_ONCE = RefreshPolicy.make({ retry: Schedule.spaced("20 seconds"), wait: "1 minute" })

const works = Effect.gen(function* () {
  const store = yield* TokenStore
  yield* store.put("a", TOKENS, undefined)
  assert.isTrue(Option.isSome(yield* store.load("a")))
})

onEach(
  (name) => `tables on ${name}`,
  (setting) => {
    it.live("are made once by ten that start at the same time", () =>
      Effect.gen(function* () {
        const { connect, table } = setting()
        const options = { encryption: "off", table: table("starts") } as const
        const start = Effect.scoped(
          Effect.provide(SqlTokenStore.make(options), connect({ maxConnections: 1 })).pipe(Effect.asVoid)
        )
        yield* Effect.all(
          Array.from({ length: 10 }, () => start),
          { concurrency: "unbounded" }
        )
        yield* works.pipe(Effect.provide(Layer.provide(SqlTokenStore.layer(options), connect())))
      })
    )

    it.live("are made where a process died between its note of a migration and the migration", () =>
      Effect.gen(function* () {
        const { connect, table } = setting()
        const options = { encryption: "off", table: table("died") } as const
        const client = yield* Layer.build(connect())
        yield* Effect.provide(SqlTokenStore.migrate(options), client)
        const sql = yield* Effect.provide(SqlClient.SqlClient, client)
        yield* sql`DROP TABLE ${sql(options.table)}`
        yield* works.pipe(Effect.provide(Layer.provide(SqlTokenStore.layer(options), Layer.succeedContext(client))))
      }).pipe(Effect.scoped)
    )

    it.live("are only looked at once they are up to date", () =>
      Effect.gen(function* () {
        const { connect, table } = setting()
        const options = { table: table("again") }
        const client = yield* Layer.build(connect())
        yield* Effect.provide(SqlTokenStore.migrate(options), client)
        const statements: Array<string> = []
        yield* Effect.provide(SqlTokenStore.migrate(options), client).pipe(recorded(statements))
        const asked = statements.filter((statement) => !statement.startsWith("PRAGMA busy_timeout"))
        assert.strictEqual(asked.length, 2)
        assert.isTrue(asked.every((statement) => statement.startsWith("SELECT")))
      }).pipe(Effect.scoped)
    )

    it.live("that were not made are an error of the store at once, which says migrate and names them (P3, P13)", () =>
      Effect.gen(function* () {
        const { connect } = setting()
        const options = { encryption: "off", table: "never_made", migrate: false } as const
        const store = Layer.provide(SqlTokenStore.layer(options), connect())
        const login = Effect.sync(() => TokenSet.make({ accessToken: "at" }))
        const posts = Effect.flatMap(
          TokenProvider.make({ key: "k", source: TokenSource.make({ login }), policy: AT_ONCE }),
          ({ get }) => get
        )
        for (const use of [works, posts]) {
          const error = yield* Effect.flip(Effect.scoped(Effect.provide(use, store)))
          assert.instanceOf(error, TokenStoreError)
          assert.strictEqual(error.reason, "setup")
          for (const word of ["never_made is not there", "SqlTokenStore.migrate", "migrate: false"]) {
            assert.include(error.message, word)
          }
        }
      })
    )
  }
)

onEach(
  (name) => `a schema of ${name}`,
  (setting) => {
    it.live("is made and used, whatever the client makes of other names", () =>
      Effect.gen(function* () {
        const { url } = setting()
        const schema = `evertoken_${randomUUID().slice(0, 8)}`
        const names = { transformQueryNames: String.camelToSnake, transformResultNames: String.snakeToCamel }
        const client = PgClient.layer({ url: Redacted.make(url), ...names })
        const start = Layer.provideMerge(SqlTokenStore.layer({ encryption: "off", schema }), client)
        yield* Effect.all(
          [works, works, works].map((use) => Effect.provide(use, start)),
          { concurrency: 3 }
        )
        const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(client))
        const rows = yield* sql`SELECT generation FROM ${sql(schema)}.evertoken_tokens`
        assert.strictEqual(rows.length, 1)
        yield* sql`DROP SCHEMA ${sql(schema)} CASCADE`
      }).pipe(Effect.scoped)
    )

    it.live("that is not there is named, and migrate, where it is not to be made (P13)", () =>
      Effect.gen(function* () {
        const options = { encryption: "off", schema: "nowhere", migrate: false } as const
        const store = Layer.provide(SqlTokenStore.layer(options), setting().connect())
        const error = yield* Effect.flip(Effect.provide(works, store))
        assert.instanceOf(error, TokenStoreError)
        assert.strictEqual(error.reason, "setup")
        for (const word of ["nowhere.evertoken_tokens is not there", "SqlTokenStore.migrate", "schema"]) {
          assert.include(error.message, word)
        }
      })
    )
  },
  [postgres]
)

describe("names of tables", () => {
  for (const table of ["", "Tokens", "a-b", "a.b", 'a"; DROP TABLE b; --', "1a", "a".repeat(41)]) {
    it.live(`cannot be ${JSON.stringify(table)}`, () =>
      Effect.gen(function* () {
        for (const names of [{ table }, { schema: table }]) {
          const make = SqlTokenStore.make({ encryption: "off", ...names })
          const error = yield* Effect.flip(make).pipe(
            Effect.provide(SqliteClient.layer({ filename: ":memory:" })),
            Effect.scoped
          )
          assert.strictEqual(error._tag, "InvalidOption")
        }
      })
    )
  }
})
