import { readFileSync } from "node:fs"
import { Socket } from "node:net"
import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Exit, Layer, Queue, Redacted } from "effect"
import { mysql, onEach, postgres, type Setting } from "./Database.js"
import { proxyTo } from "./Proxy.js"

/** The layer that docs/stores.md gives to users with a client of their own, word for word but for the address. */
const documented = ({ name, url }: Setting, port: number): Layer.Layer<SqlClient.SqlClient, unknown> => {
  const [, section = ""] = readFileSync(new URL("../../../docs/stores.md", import.meta.url), "utf8").split(
    "### Your own client"
  )
  const isPostgres = name === postgres.name
  const [, code = ""] = section.split(isPostgres ? "// PostgreSQL" : "// MySQL, MariaDB")
  const [block = ""] = code.split("```")
  const here = new URL(url)
  const changes: ReadonlyArray<readonly [string, string]> = isPostgres
    ? [["postgres://app@db.example.com/app", `postgres://${here.username}@127.0.0.1:${port}${here.pathname}`]]
    : [
        ['host: "db.example.com"', `host: "127.0.0.1", port: ${port}`],
        ['username: "app"', `username: "${here.username}"`],
        ['database: "app"', `database: "${here.pathname.slice(1)}"`]
      ]
  let text = block.replaceAll(/^import .*$/gm, "")
  for (const [from, to] of changes) {
    assert.include(text, from)
    text = text.replace(from, to)
  }
  return new Function("PgClient", "MysqlClient", "Redacted", "Socket", `${text}; return Client`)(
    ...[PgClient, MysqlClient, Redacted, Socket]
  )
}

/** What sockets are told of probes while the scope lasts. */
const probes = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const told: Array<ReadonlyArray<unknown>> = []
      const { setKeepAlive } = Socket.prototype
      Socket.prototype.setKeepAlive = function (...args) {
        told.push(args)
        return setKeepAlive.apply(this, args)
      }
      return { told, setKeepAlive }
    }),
    ({ setKeepAlive }) =>
      Effect.sync(() => {
        Socket.prototype.setKeepAlive = setKeepAlive
      })
  ),
  ({ told }) => told
)

onEach(
  (name) => `the client that docs/stores.md gives, on ${name}`,
  (setting) => {
    it.live(
      "probes idle connections, gives up one that is not made in time, and ends a statement that waits (P6, P14)",
      () =>
        Effect.gen(function* () {
          const { hostname, port } = new URL(setting().url)
          const wire = yield* proxyTo(hostname, Number(port || (setting().name === postgres.name ? 5432 : 3306)))
          const told = yield* probes
          const client = yield* Layer.build(documented(setting(), wire.port))
          const sql = yield* Effect.provide(SqlClient.SqlClient, client)
          const store = yield* Effect.provide(
            SqlTokenStore.make({ encryption: "off", table: setting().table() }),
            client
          )
          yield* store.load("any")
          assert.deepInclude(told, [true, 10_000])
          if (setting().name === postgres.name) {
            const [limit] = yield* sql<{ statement_timeout: string }>`SHOW statement_timeout`.unprepared
            assert.strictEqual(limit?.statement_timeout, "10s")
          } else {
            const [limits] = yield* sql<{ rows: number; tables: number }>`SELECT
              @@innodb_lock_wait_timeout AS \`rows\`, @@lock_wait_timeout AS \`tables\``.unprepared
            assert.isAtMost(Number(limits?.rows), 10)
            assert.isAtMost(Number(limits?.tables), 10)
          }
          // One connection is there, and waits for ever; those that have to be made for the others fail.
          yield* wire.hold
          const ends = yield* Queue.unbounded<Exit.Exit<unknown, unknown>>()
          const asking = Effect.flatMap(Effect.exit(sql`SELECT 1`.unprepared), (exit) => ends.offer(exit))
          yield* Effect.forEach([1, 2, 3], () => Effect.forkDaemon(asking), { concurrency: "unbounded" })
          assert.isTrue(Exit.isFailure(yield* ends.take))
          yield* wire.cut
        }).pipe(Effect.scoped),
      60_000
    )
  },
  [postgres, mysql]
)
