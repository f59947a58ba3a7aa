import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir, userInfo } from "node:os"
import { delimiter, join } from "node:path"
import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { Context, Effect, Layer, Schedule } from "effect"
import { freePort } from "./EmbeddedPostgres.js"

/** Where a program is; Debian has servers where users do not look. */
const found = (name: string) =>
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))

const [server, installer] = [found("mariadbd"), found("mariadb-install-db")]

/** Why no MariaDB can be started here. */
export const missing =
  server === undefined || installer === undefined ? "mariadbd and mariadb-install-db are not installed" : undefined

/** A MariaDB of its own, whose global settings a test may change. */
export class OwnMariadb extends Context.Tag("@evertoken/test/OwnMariadb")<
  OwnMariadb,
  {
    /** As a user who may do everything in one database, and nothing else. */
    readonly url: string
    /** Runs a statement in the one session that administers, each in a transaction of its own. */
    readonly run: (statement: string) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, unknown>
  }
>() {
  static readonly layer = Layer.scoped(
    OwnMariadb,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "evertoken-mariadb-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
      )
      const port = yield* freePort
      const common = ["--no-defaults", `--datadir=${join(folder, "data")}`]
      const start = (program: string | undefined, ...args: ReadonlyArray<string>) =>
        spawn(program ?? "", [...common, ...(userInfo().uid === 0 ? ["--user=root"] : []), ...args], {
          stdio: "ignore"
        })
      yield* Effect.promise(async () => {
        const kind = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        const [code] = await once(start(installer, ...kind), "exit")
        if (code !== 0) throw new Error(`mariadb-install-db ended with ${code}`)
      })
      const less = ["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"]
      const running = yield* Effect.acquireRelease(
        Effect.sync(() => start(server, `--port=${port}`, `--socket=${join(folder, "socket")}`, ...less)),
        (running) =>
          Effect.promise(async () => {
            const gone = once(running, "exit")
            if (running.exitCode === null && running.kill("SIGKILL")) await gone
          })
      )
      const admin = MysqlClient.layer({ host: "127.0.0.1", port, username: "root", maxConnections: 1 })
      const client = yield* Layer.build(admin).pipe(
        Effect.retry({ schedule: Schedule.spaced("100 millis"), while: () => running.exitCode === null })
      )
      const { reserve } = yield* Effect.provide(SqlClient.SqlClient, client)
      const session = yield* reserve
      const run = (statement: string) => session.executeUnprepared(statement, [], undefined)
      yield* run("CREATE DATABASE tokens")
      yield* run("CREATE USER service@'%' IDENTIFIED BY 'pw'")
      yield* run("GRANT ALL ON tokens.* TO service@'%'")
      return { url: `mysql://service:pw@127.0.0.1:${port}/tokens`, run }
    })
  )
}
