import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenStore } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Encoding, Fiber, Layer, Option, Redacted, Stream } from "effect"
import { mysql, onEach, postgres, sqliteFile } from "./Database.js"
import { rotatingGrant } from "./Grant.js"
import { recorded } from "./Recorded.js"

const secret = (letter: string) => Redacted.make(Encoding.encodeBase64Url(letter.repeat(32)))
const OLD = TokenCipher.make({ current: "old", keys: { old: secret("o") } })
const BOTH = TokenCipher.make({ current: "new", keys: { new: secret("n"), old: secret("o") } })

onEach(
  (name) => `many keys on ${name}`,
  (setting) => {
    it.live("a claim, and the question what is due first, look that up, and do not read the rest of the table", () =>
      Effect.gen(function* () {
        const table = setting().table("many")
        const sql = yield* SqlClient.SqlClient
        yield* SqlTokenStore.migrate({ table })
        const { due, firstDue, put, load } = yield* SqlTokenStore.backend({ table })
        const { now } = yield* load("none")
        const rows = Array.from({ length: 5_000 }, (_, at) => ({
          key: `key ${at}`,
          generation: now,
          due_at: now + 3_600_000 + at
        }))
        for (let from = 0; from < rows.length; from += 500) {
          yield* sql`INSERT INTO ${sql(table)} ${sql.insert(rows.slice(from, from + 500))}`
        }
        yield* put("due", { expected: undefined, generation: now + 1, payload: "{}", dueIn: 0 })
        if (setting().name !== sqliteFile.name)
          yield* sql.unsafe(`ANALYZE ${setting().name === mysql.name ? "TABLE" : ""} ${table}`).unprepared
        const statements: Array<string> = []
        const claimed = yield* due({ limit: 100, lasts: 60_000 }).pipe(recorded(statements))
        assert.deepStrictEqual(
          claimed.map(({ key }) => key),
          ["due"]
        )
        const looked: Array<string> = []
        assert.isAbove((yield* firstDue?.pipe(recorded(looked)) ?? Effect.fail("it cannot tell")).dueAt ?? 0, now)
        assert.strictEqual(looked.length, 1)
        for (const statement of [statements[0], looked[0]]) {
          const plan = JSON.stringify(yield* explain(statement ?? "", setting().name))
          assert.include(plan, `${table}_due`)
        }
      }).pipe(Effect.scoped, Effect.provide(setting().connect()))
    )

    it.live("encryption keys rotate beside live refreshes, which lose nothing (P2, P12)", () =>
      Effect.gen(function* () {
        const table = setting().table("rotated")
        const client = yield* Layer.build(setting().connect())
        const storeOf = (encryption: typeof BOTH) => Effect.provide(SqlTokenStore.make({ encryption, table }), client)
        const before = yield* storeOf(OLD)
        const tokens = TokenSet.make({ accessToken: "at", refreshToken: "rt" })
        yield* Effect.forEach(Array.from({ length: 120 }), (_, at) => before.put(`idle ${at}`, tokens, undefined))
        const grant = rotatingGrant()
        yield* before.put("live", grant.ended, undefined)
        const store = yield* storeOf(BOTH)
        const provider = yield* TokenProvider.make({ key: "live", source: grant.source }).pipe(
          Effect.provideService(TokenStore, store)
        )
        const refreshing = yield* Effect.fork(Effect.repeatN(provider.refresh, 40))
        const rotate = SqlTokenStore.rotate({ encryption: BOTH, table, batch: 10 })
        const last = Option.getOrThrow(yield* Stream.runLast(rotate).pipe(Effect.provide(client)))
        yield* Fiber.join(refreshing)
        assert.strictEqual(last.undecryptable, 0)
        assert.isAtLeast(last.moved, 120)
        assert.strictEqual(grant.alarms(), 0)
        const counts = yield* Effect.provide(SqlTokenStore.report({ table }), client)
        assert.deepStrictEqual(counts, [{ keyId: "new", rows: 121 }])
        const current = yield* Effect.flatten(store.load("live"))
        assert.strictEqual(current.tokens && Redacted.value(current.tokens.accessToken), `access-${grant.posts() + 1}`)
      }).pipe(Effect.scoped)
    )
  },
  [sqliteFile, postgres, mysql]
)

/** How the database would run a claim; its parameters stand for any. */
const explain = (statement: string, name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const text = statement.replace(/\$\d+|\?/g, name === mysql.name ? "'0'" : "0")
    return sql.unsafe(`EXPLAIN ${name === sqliteFile.name ? "QUERY PLAN " : ""}${text}`).unprepared
  })
