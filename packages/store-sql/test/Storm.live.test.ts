import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { TokenSet } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Context, Effect, Exit, Layer, Option, Redacted, Schedule } from "effect"
import { mysql, onEach, postgres, type Setting } from "./Database.js"
import { proxyTo } from "./Proxy.js"

/** Milliseconds: a statement's limit, many times over for a busy machine. Not healed is never. */
const HEALED = 60_000

/** The client that docs/stores.md describes, over a wire that can lose what is sent. */
const wired = Effect.fnUntraced(function* ({ name, url }: Setting) {
  const { hostname, password, pathname, port, username } = new URL(url)
  const wire = yield* proxyTo(hostname, Number(port || (name === postgres.name ? 5432 : 3306)))
  const options = {
    host: "127.0.0.1",
    port: wire.port,
    database: pathname.slice(1),
    username: username === "" ? "postgres" : username,
    password: Redacted.make(password)
  }
  const client =
    name === postgres.name
      ? PgClient.layer({ ...options, connectTimeout: "2 seconds" })
      : MysqlClient.layer({ ...options, poolConfig: { connectTimeout: 2_000 } })
  return { wire, client: yield* Layer.build(client) }
})

onEach(
  (name) => `a network that loses packets, on ${name}`,
  (setting) => {
    it.live(
      "while all connections are in use: they are closed, and the store answers again within one statement's limit (P14)",
      () =>
        Effect.gen(function* () {
          const { client, wire } = yield* wired(setting())
          const store = yield* Effect.provide(
            SqlTokenStore.make({ encryption: "off", table: setting().table() }),
            client
          )
          const load = store.load("lost")
          yield* Effect.all(
            Array.from({ length: 20 }, () => load),
            { concurrency: "unbounded" }
          )
          yield* wire.hold
          const asked = yield* Effect.fork(
            Effect.forEach(Array.from({ length: 20 }), () => Effect.exit(load), { concurrency: "unbounded" })
          )
          yield* Effect.sleep("1 second")
          yield* wire.mend
          const began = yield* Clock.currentTimeMillis
          yield* Effect.retry(load, Schedule.spaced("100 millis"))
          const took = (yield* Clock.currentTimeMillis) - began
          assert.isBelow(took, HEALED)
          yield* asked.await
          // None of the dead ones is left: all of the pool answers.
          yield* Effect.all(
            Array.from({ length: 40 }, () => load),
            { concurrency: "unbounded" }
          )
        }).pipe(Effect.scoped)
    )

    it.live("while all connections are idle: after the first that does not answer no other is tried (P14)", () =>
      Effect.gen(function* () {
        const { client, wire } = yield* wired(setting())
        const store = yield* Effect.provide(SqlTokenStore.make({ encryption: "off", table: setting().table() }), client)
        const load = store.load("idle")
        yield* Effect.all(
          Array.from({ length: 20 }, () => load),
          { concurrency: "unbounded" }
        )
        yield* wire.hold
        yield* wire.mend
        // All are dead, and nothing was lost yet.
        yield* Effect.ignore(load)
        const began = yield* Clock.currentTimeMillis
        yield* Effect.all(Array.from({ length: 5 }, () => load))
        assert.isBelow((yield* Clock.currentTimeMillis) - began, HEALED)
      }).pipe(Effect.scoped)
    )
  },
  [postgres, mysql]
)

onEach(
  (name) => `a network that loses packets while sessions are set up, on ${name}`,
  (setting) => {
    it.live(
      "these are closed too: none of the pool is lost for good (P14)",
      () =>
        Effect.gen(function* () {
          const { client, wire } = yield* wired(setting())
          const store = yield* Effect.provide(
            SqlTokenStore.make({ encryption: "off", table: setting().table() }),
            client
          )
          const load = store.load("greeted")
          yield* wire.holdAt("SET SESSION autocommit")
          const asked = yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.exit(load), {
            concurrency: "unbounded"
          })
          assert.isTrue(asked.every(Exit.isFailure))
          yield* wire.mend
          const again = yield* Effect.exit(Effect.timeout(load, HEALED))
          // So that a pool with a dead connection comes to an end, too.
          yield* wire.cut
          assert.isTrue(Exit.isSuccess(again))
        }).pipe(Effect.scoped),
      60_000
    )
  },
  [mysql]
)

/** Runs these statements in each session of a pool of three. */
const inEach = (client: Context.Context<SqlClient.SqlClient>, statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = Context.get(client, SqlClient.SqlClient)
    const connections = yield* Effect.all(Array.from({ length: 3 }, () => sql.reserve))
    for (const connection of connections) {
      for (const statement of statements) yield* Effect.ignore(connection.executeUnprepared(statement, [], undefined))
    }
  }).pipe(Effect.scoped)

/** A pool of three that the store has used, and the store. */
const used = Effect.fnUntraced(function* ({ connect, table }: Setting) {
  const client = yield* Layer.build(connect({ maxConnections: 3 }))
  const store = yield* Effect.provide(SqlTokenStore.make({ encryption: "off", table: table() }), client)
  yield* Effect.all(
    Array.from({ length: 9 }, () => store.load("any")),
    { concurrency: "unbounded" }
  )
  return { client, store }
})

const tokens = TokenSet.make({ accessToken: "at" })

for (const [database, statements] of [
  [postgres, ["SET default_transaction_read_only = on"]],
  [mysql, ["SET SESSION TRANSACTION READ ONLY"]]
] as const) {
  onEach(
    (name) => `sessions whose server takes no writes any more, on ${name}`,
    (setting) => {
      it.live("are closed, and the write is made on a new one (P14)", () =>
        Effect.gen(function* () {
          const { client, store } = yield* used(setting())
          yield* inEach(client, statements)
          for (let at = 0; at < 6; at++) yield* store.put(`demoted ${at}`, tokens, undefined)
        }).pipe(Effect.scoped)
      )
    },
    [database]
  )
}

onEach(
  (name) => `sessions stuck in a failed transaction, on ${name}`,
  (setting) => {
    it.live("are closed, and the statement is run on a new one (P14)", () =>
      Effect.gen(function* () {
        const { client, store } = yield* used(setting())
        yield* inEach(client, ["BEGIN", "SELECT nothing FROM nowhere"])
        for (let at = 0; at < 6; at++) yield* store.load(`stuck ${at}`)
      }).pipe(Effect.scoped)
    )
  },
  [postgres]
)

onEach(
  (name) => `sessions without autocommit, on ${name}`,
  (setting) => {
    it.live("keep what is saved: others see it at once, and it stays when the session ends (P4)", () =>
      Effect.gen(function* () {
        const { connect, table } = setting()
        const client = yield* Layer.build(connect({ maxConnections: 3 }))
        yield* inEach(client, ["SET SESSION autocommit = 0"])
        const store = yield* Effect.provide(SqlTokenStore.make({ encryption: "off", table: table() }), client)
        yield* store.put("autocommit", tokens, undefined)
        const other = yield* Effect.provide(
          SqlTokenStore.make({ encryption: "off", table: table() }),
          yield* Layer.build(connect())
        )
        assert.isTrue(Option.isSome(yield* other.load("autocommit")))
      }).pipe(Effect.scoped)
    )
  },
  [mysql]
)
