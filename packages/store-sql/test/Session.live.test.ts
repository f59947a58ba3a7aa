import { SqlClient, Statement } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { afterEach, assert, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import { mysql, onEach, postgres, type Setting, sqliteFile } from "./Database.js"
import { rotatingGrant } from "./Grant.js"
import { recorded } from "./Recorded.js"

const storeOn = (setting: Setting, client: Layer.Layer<SqlClient.SqlClient, unknown>) =>
  Layer.provideMerge(SqlTokenStore.layer({ encryption: "off", table: setting.table() }), client)

onEach(
  (name) => `a refresh on ${name}`,
  (setting) => {
    it.live("costs two statements, or three where the lease has to be read back", () =>
      Effect.gen(function* () {
        const statements: Array<string> = []
        yield* Effect.gen(function* () {
          const grant = rotatingGrant()
          const provider = yield* TokenProvider.make({ key: "counted", source: grant.source })
          yield* provider.put(grant.issue())
          yield* provider.refresh
          statements.length = 0
          yield* provider.refresh
          assert.strictEqual(grant.posts(), 2)
        }).pipe(Effect.scoped, Effect.provide(storeOn(setting(), setting().connect())), recorded(statements))
        const isMysql = setting().name === mysql.name
        assert.deepStrictEqual(
          statements.filter((statement) => !LISTENS.test(statement)).map((statement) => statement.split(" ")[0]),
          isMysql ? ["UPDATE", "SELECT", "UPDATE"] : ["UPDATE", "UPDATE"]
        )
      })
    )

    it.live("holds no connection while the token endpoint is asked, so that a pool of one serves 20 keys (P12)", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        // The endpoint itself needs the pool's only connection, and so do all the others meanwhile.
        const during = Effect.repeatN(Effect.orDie(sql`SELECT 1`), 3)
        const keys = yield* Effect.forEach(Array.from({ length: 20 }).keys(), (at) =>
          Effect.gen(function* () {
            const grant = rotatingGrant({ during })
            const provider = yield* TokenProvider.make({ key: `pool ${at}`, source: grant.source })
            yield* provider.put(grant.ended)
            return { grant, provider }
          })
        )
        yield* Effect.forEach(keys, ({ provider }) => provider.get, { concurrency: "unbounded" })
        assert.isTrue(keys.every(({ grant }) => grant.posts() === 1))
      }).pipe(Effect.scoped, Effect.provide(storeOn(setting(), setting().connect({ maxConnections: 1 }))))
    )

    it.live("is wholly there or not at all: no process ever sees half of one", () =>
      Effect.gen(function* () {
        const store = yield* TokenStore
        const grant = rotatingGrant()
        const provider = yield* TokenProvider.make({ key: "whole", source: grant.source })
        yield* provider.put(grant.ended)
        const watch = Effect.forever(
          Effect.flatMap(Effect.flatten(store.load("whole")), ({ tokens }) =>
            Effect.sync(() => {
              const of = (token: Redacted.Redacted | undefined) => token && Redacted.value(token).replace(/^\w+-/, "")
              assert.strictEqual(of(tokens?.accessToken), of(tokens?.refreshToken))
            })
          )
        )
        const watching = yield* Effect.fork(watch)
        yield* Effect.repeatN(provider.refresh, 50)
        assert.isNull(watching.unsafePoll())
        yield* Fiber.interrupt(watching)
        assert.strictEqual(grant.alarms(), 0)
      }).pipe(Effect.scoped, Effect.provide(storeOn(setting(), setting().connect())))
    )
  }
)

onEach(
  (name) => `a removal on ${name}`,
  (setting) => {
    it.live("lets no generation come again, though commits fall between its statements (P2, P10)", () =>
      Effect.gen(function* () {
        const table = setting().table("removed")
        yield* SqlTokenStore.migrate({ table })
        const { load, put, remove } = yield* SqlTokenStore.backend({ table })
        const first = (yield* load("k")).now + 3_600_000 // ahead of the clock, which a new key would start from
        const row = (generation: number, expected?: number) => ({
          expected,
          generation,
          payload: "{}",
          dueIn: undefined
        })
        yield* put("k", row(first))
        const commits = Effect.forEach([1, 2, 3], (step) => put("k", row(first + step, first + step - 1)))
        let left = 1
        const meddled = Statement.withTransformer(remove("k"), (statement) =>
          statement.compile()[0].trim().startsWith("DELETE") && left-- > 0
            ? Effect.as(Effect.orDie(commits), statement)
            : Effect.succeed(statement)
        )
        assert.isTrue(yield* meddled)
        assert.isFalse(yield* put("k", row(first + (left < 1 ? 3 : 0))))
        assert.isTrue(yield* put("k", row(first + 100)))
      }).pipe(Effect.scoped, Effect.provide(setting().connect()))
    )
  },
  [sqliteFile, postgres, mysql]
)

/** What the feed of changes asks beside. */
const LISTENS = /^SELECT (?:pg_|key, generation )/

const shared = [postgres, mysql]
onEach(
  (name) => `a caller's transaction on ${name}`,
  (setting) => {
    it.live("neither hides a refresh from others nor takes it back (P4)", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* TokenStore
        const grant = rotatingGrant()
        const provider = yield* TokenProvider.make({ key: "transaction", source: grant.source })
        yield* provider.put(grant.issue())
        const directly = store.put("directly", grant.ended, undefined)
        const rolledBack = sql.withTransaction(
          Effect.zipRight(Effect.zipRight(provider.refresh, directly), Effect.fail("rolled back"))
        )
        assert.strictEqual(yield* Effect.flip(rolledBack), "rolled back")
        assert.isTrue(Option.isSome(yield* store.load("directly")))
        const record = yield* Effect.flatten(store.load("transaction"))
        assert.strictEqual(record.tokens && Redacted.value(record.tokens.accessToken), "access-2")
      }).pipe(Effect.scoped, Effect.provide(storeOn(setting(), setting().connect())))
    )
  },
  shared
)

onEach(
  (name) => `a caller's transaction on ${name}`,
  (setting) => {
    it.effect("makes the store fail with a typed error rather than be part of it, since there is one connection", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* TokenStore
        const inside = yield* Effect.fork(sql.withTransaction(Effect.flip(store.load("transaction"))))
        yield* Effect.yieldNow()
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* Fiber.join(inside)).reason, "unreachable")
      }).pipe(Effect.scoped, Effect.provide(storeOn(setting(), setting().connect())))
    )
  },
  [sqliteFile]
)

onEach(
  (name) => `a stricter isolation level on ${name}`,
  (setting) => {
    for (const level of ["repeatable read", "serializable"]) {
      it.live(`gives the lease to one of 40 who ask at once, and fails for none of them (${level}, P1)`, () =>
        Effect.gen(function* () {
          const { table, url } = setting()
          const options = `options=${encodeURIComponent(`-c default_transaction_isolation=${level.replace(" ", "\\ ")}`)}`
          const client = PgClient.layer({ url: Redacted.make(`${url}${url.includes("?") ? "&" : "?"}${options}`) })
          const store = yield* Effect.provide(
            SqlTokenStore.make({ encryption: "off", table: table() }),
            yield* Layer.build(client)
          )
          const generation = yield* store.put(level, TokenSet.make({ accessToken: "at" }), undefined)
          const ask = { known: generation, lasts: 600_000, presents: true, force: false }
          const asked = yield* Effect.forEach(
            Array.from({ length: 40 }),
            (_, at) => store.lease(level, { ...ask, owner: `o${at}` }),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(asked.filter((row, at) => Option.getOrThrow(row).leaseOwner === `o${at}`).length, 1)
        }).pipe(Effect.scoped)
      )
    }
  },
  [postgres]
)

const zone = process.env.TZ
afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

onEach(
  (name) => `time zones on ${name}`,
  (setting) => {
    for (const of of ["Pacific/Auckland", "America/Los_Angeles", "Asia/Kathmandu"]) {
      it.live(`do not matter: the process in ${of}, the session of the database elsewhere (P9)`, () =>
        Effect.gen(function* () {
          process.env.TZ = of
          const { connect, table } = setting()
          const there = yield* elsewhere(setting())
          const here = yield* Layer.build(storeOn(setting(), connect()))
          const other = yield* Effect.provide(SqlTokenStore.make({ encryption: "off", table: table() }), there)
          const store = yield* Effect.provide(TokenStore, here)
          const now = Date.now()
          const tokens = TokenSet.make({ accessToken: "at", expiresAt: now + 3_600_000, obtainedAt: now })
          const key = `zone ${of}`
          const generation = yield* store.put(key, tokens, 600_000)
          const seen = yield* Effect.flatten(other.load(key))
          assert.closeTo(seen.tokens?.expiresAt ?? 0, now + 3_600_000, 300_000)
          assert.closeTo(seen.dueAt ?? 0, now + 600_000, 300_000)
          const ask = { known: generation, lasts: 600_000, presents: true, force: false }
          yield* store.lease(key, { ...ask, owner: "here" })
          const held = yield* Effect.flatten(other.lease(key, { ...ask, owner: "there" }))
          assert.strictEqual(held.leaseOwner, "here")
          assert.closeTo(held.leaseUntil ?? 0, now + 600_000, 300_000)
        }).pipe(Effect.scoped)
      )
    }
  },
  [sqliteFile, postgres, mysql]
)

/** A client whose session lives in a fourth time zone. */
const elsewhere = Effect.fnUntraced(function* ({ connect, name, url }: Setting) {
  if (name === postgres.name) {
    const zoned = `${url}${url.includes("?") ? "&" : "?"}options=-c%20TimeZone%3DAmerica%2FSt_Johns`
    const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(zoned), maxConnections: 1 }))
    const sql = yield* Effect.provide(SqlClient.SqlClient, client)
    const [row] = yield* sql<{ TimeZone: string }>`SHOW TimeZone`
    assert.strictEqual(row?.TimeZone, "America/St_Johns")
    return client
  }
  const client = yield* Layer.build(connect({ maxConnections: 1 }))
  if (name === mysql.name) {
    const sql = yield* Effect.provide(SqlClient.SqlClient, client)
    yield* sql`SET time_zone = '-03:30'`.unprepared
  }
  return client
})
