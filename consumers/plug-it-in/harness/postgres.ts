// A PostgreSQL of its own, whose user "app" has the newest token as its password.
import { writeFileSync } from "node:fs"
import { Effect, Exit, Scope } from "effect"
import pg from "pg"
import { embeddedPostgres } from "../../../packages/store-sql/test/EmbeddedPostgres.js"
import type { Plug } from "./plug.js"

const opened = async () => {
  const scope = Effect.runSync(Scope.make())
  const url = await Effect.runPromise(Scope.extend(embeddedPostgres, scope))
  const admin = new pg.Client(url)
  await admin.connect()
  const { rows } = await admin.query("show hba_file")
  writeFileSync(rows[0].hba_file, "host all postgres 127.0.0.1/32 trust\nhost all app 127.0.0.1/32 scram-sha-256\n")
  await admin.query("create role app login")
  await admin.query("select pg_reload_conf()")
  process.once("exit", () => Effect.runFork(Scope.close(scope, Exit.void)))
  return { admin, port: Number(new URL(url).port) }
}
let opening: ReturnType<typeof opened> | undefined
const open = () => {
  opening ??= opened()
  return opening
}

const { port } = await open()

/** How to connect; a pool gives no connection out twice, so that each call is a login. */
export const database = { host: "127.0.0.1", port, database: "postgres", user: "app", maxUses: 1 }

/** What a program whose far side is PostgreSQL says. */
export const postgresSide: Pick<Plug, "accept"> = {
  accept: async (token) => {
    const { admin } = await open()
    await admin.query(`alter role app password '${token}'`)
  }
}
