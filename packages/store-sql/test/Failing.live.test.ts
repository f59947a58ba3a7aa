import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenProvider, type TokenSet, TokenSource, TokenStore, TokenStoreError } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Redacted, Schedule, type Scope, Stream, TestClock } from "effect"
import { mysql, onEach, postgres, type Setting, sqliteFile } from "./Database.js"
import { rotatingGrant } from "./Grant.js"
import { proxyTo } from "./Proxy.js"

/** Callers do not wait for the store to come back. */
const IMPATIENT = RefreshPolicy.make({ wait: "2 seconds" })

const sqlite = (url: string, more = {}) => SqliteClient.layer({ filename: url.slice("file:".length), ...more })

onEach(
  (name) => `a database that cannot be written, on ${name}`,
  (setting) => {
    it.live("makes no request for an expired token, and is no reason to log in again (P3, P4)", () =>
      Effect.gen(function* () {
        const table = setting().table()
        const options = { encryption: "off", table } as const
        const grant = rotatingGrant()
        const good = yield* Layer.build(Layer.provide(SqlTokenStore.layer(options), setting().connect()))
        const store = yield* Effect.provide(TokenStore, good)
        yield* store.put("read only", grant.ended, undefined)
        yield* store.put("read only, fresh", grant.issue().obtained(Date.now()), undefined)
        const client = yield* readOnly(setting())
        const bad = yield* Layer.build(Layer.provide(SqlTokenStore.layer(options), client))
        const provider = (key: string) =>
          TokenProvider.make({ key, source: grant.source, policy: IMPATIENT }).pipe(Effect.provide(bad))
        const error = yield* Effect.flip((yield* provider("read only")).get)
        assert.instanceOf(error, TokenStoreError)
        // A server that takes no writes may be one that was demoted: that passes. A missing right does not.
        assert.strictEqual(error.reason, setting().name === postgres.name ? "unreachable" : "setup")
        const fresh = yield* (yield* provider("read only, fresh")).get
        assert.strictEqual(Redacted.value(fresh.value), "access-1")
        assert.strictEqual(grant.posts(), 0)
      }).pipe(Effect.scoped)
    )
  },
  [sqliteFile, postgres, mysql]
)

const readOnly = Effect.fnUntraced(function* ({
  connect,
  name,
  url
}: Setting): Effect.fn.Return<Layer.Layer<SqlClient.SqlClient, unknown>, unknown, Scope.Scope> {
  if (name === sqliteFile.name) return sqlite(url, { readonly: true, disableWAL: true })
  if (name === postgres.name) {
    const options = `${url}${url.includes("?") ? "&" : "?"}options=-c%20default_transaction_read_only%3Don`
    return PgClient.layer({ url: Redacted.make(options) })
  }
  // A session that was made read-only would be replaced.
  const { hostname, pathname, port } = new URL(url)
  const database = pathname.slice(1)
  const username = `reader_${Math.random().toString(36).slice(2, 10)}`
  const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(connect({ maxConnections: 1 })))
  yield* Effect.acquireRelease(sql`CREATE USER ${sql.literal(username)}@'%' IDENTIFIED BY 'reads'`.unprepared, () =>
    Effect.ignore(sql`DROP USER ${sql.literal(username)}@'%'`.unprepared)
  )
  yield* sql`GRANT SELECT ON ${sql(database)}.* TO ${sql.literal(username)}@'%'`.unprepared
  const password = Redacted.make("reads")
  return MysqlClient.layer({ host: hostname, port: Number(port || 3306), username, password, database })
})

describe("a database that is full", () => {
  onEach(
    (name) => `on ${name}`,
    (setting) => {
      it.live("loses no token that was fetched: it is served, and saved once there is room (P4)", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const store = yield* TokenStore
          const grant = rotatingGrant()
          // The new tokens need room that the lease did not.
          const source = Effect.map(grant.source, (source) => ({ ...source, refresh: larger(source) }))
          const provider = yield* TokenProvider.make({ key: "full", source })
          yield* store.put("full", grant.ended, undefined)
          const [pages] = yield* sql<{ page_count: number }>`PRAGMA page_count`.unprepared
          yield* sql.unsafe(`PRAGMA max_page_count = ${pages?.page_count}`).unprepared
          const happened = yield* Effect.fork(
            Stream.runCollect(Stream.takeUntil(provider.events, (event) => event._tag === "Saved"))
          )
          const token = yield* provider.get
          assert.strictEqual(Redacted.value(token.value), "access-2")
          assert.strictEqual((yield* Effect.flatten(store.load("full"))).generation, token.generation - 1)
          yield* sql.unsafe("PRAGMA max_page_count = 1000000").unprepared
          const events = [...(yield* Fiber.join(happened))].map((event) => event._tag)
          assert.include(events, "SaveFailed")
          assert.strictEqual((yield* Effect.flatten(store.load("full"))).generation, token.generation)
          yield* provider.refresh
          assert.deepStrictEqual([grant.posts(), grant.alarms()], [2, 0])
        }).pipe(
          Effect.scoped,
          Effect.provide(
            Layer.provideMerge(
              SqlTokenStore.layer({ encryption: "off", table: setting().table() }),
              sqlite(setting().url)
            )
          )
        )
      )
    },
    [sqliteFile]
  )
})

const larger =
  ({ refresh }: TokenSource) =>
  (current: TokenSet) =>
    Effect.map(refresh?.(current) ?? Effect.dieMessage("no refresh"), (tokens) =>
      Object.assign(tokens, { extra: { big: "x".repeat(500_000) } })
    )

onEach(
  (name) => `a database that goes away, on ${name}`,
  (setting) => {
    /** A store over a wire that can be cut. */
    const wired = Effect.gen(function* () {
      const { name, table, url } = setting()
      const { hostname, password, pathname, port, username } = new URL(url)
      const wire = yield* proxyTo(hostname, Number(port || (name === postgres.name ? 5432 : 3306)))
      const options = {
        host: "127.0.0.1",
        port: wire.port,
        database: pathname.slice(1),
        username: username === "" ? "postgres" : username,
        password: Redacted.make(password)
      }
      const client = yield* Layer.build(name === postgres.name ? PgClient.layer(options) : MysqlClient.layer(options))
      const store = SqlTokenStore.layer({ encryption: "off", table: table() })
      return { wire, client, context: yield* Layer.build(Layer.provide(store, Layer.succeedContext(client))) }
    })

    it.live("is a passing failure: no request is made meanwhile, and one once it is back (P3, P4, P8)", () =>
      Effect.gen(function* () {
        const { context, wire } = yield* wired
        const grant = rotatingGrant()
        const make = TokenProvider.make({ key: "down", source: grant.source, policy: IMPATIENT }).pipe(
          Effect.provide(context)
        )
        const provider = yield* make
        const store = yield* Effect.provide(TokenStore, context)
        yield* store.put("down", grant.ended, undefined)
        yield* wire.cut
        for (const each of [provider, yield* make]) {
          const error = yield* Effect.flip(each.get)
          assert.instanceOf(error, TokenStoreError)
        }
        assert.strictEqual(grant.posts(), 0)
        yield* wire.mend
        const token = yield* Effect.retry(provider.get, Schedule.spaced("100 millis"))
        assert.strictEqual(Redacted.value(token.value), "access-2")
        assert.deepStrictEqual([grant.posts(), grant.alarms()], [1, 0])
        yield* wire.cut
        assert.strictEqual(Redacted.value((yield* provider.get).value), "access-2")
      }).pipe(Effect.scoped)
    )

    it.live("loses no token that was fetched before it could be saved (P4)", () =>
      Effect.gen(function* () {
        const { context, wire } = yield* wired
        const grant = rotatingGrant({ during: wire.cut })
        const store = yield* Effect.provide(TokenStore, context)
        const provider = yield* TokenProvider.make({ key: "cut", source: grant.source }).pipe(Effect.provide(context))
        yield* provider.put(grant.ended)
        const saved = yield* Effect.fork(
          Stream.runHead(Stream.filter(provider.events, (event) => event._tag === "Saved"))
        )
        const token = yield* provider.get
        assert.strictEqual(Redacted.value(token.value), "access-2")
        yield* wire.mend
        yield* Fiber.join(saved)
        const record = yield* Effect.flatten(store.load("cut"))
        assert.strictEqual(record.generation, token.generation)
        assert.deepStrictEqual([grant.posts(), grant.alarms()], [1, 0])
      }).pipe(Effect.scoped)
    )

    it.effect("that answers no more fails within a bound, and so does making the tables (P6)", () =>
      Effect.gen(function* () {
        const { client, context, wire } = yield* wired
        const store = yield* Effect.provide(TokenStore, context)
        yield* store.load("held")
        yield* wire.hold
        const migrate = Effect.provide(SqlTokenStore.migrate({ table: setting().table() }), client)
        for (const ask of [store.load("held"), migrate]) {
          const asked = yield* Effect.fork(Effect.flip(ask))
          while (asked.unsafePoll() === null) {
            yield* TestClock.adjust("1 second")
            yield* Effect.promise(() => new Promise((done) => setImmediate(done)))
          }
          const error = yield* Fiber.join(asked)
          assert.instanceOf(error, TokenStoreError)
          assert.strictEqual(error.reason, "unreachable")
        }
        yield* wire.cut
      }).pipe(Effect.scoped)
    )
  },
  [postgres, mysql]
)
