import { randomUUID } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { afterAll, beforeAll, describe, inject } from "@effect/vitest"
import { Effect, Exit, type Layer, Redacted, Scope } from "effect"

/** A real database that a test may use. */
export interface Database {
  readonly name: string
  /** Why it cannot be had here. */
  readonly missing?: string
  /** Starts or finds it, for as long as the scope lasts. */
  readonly open: Effect.Effect<Opened, unknown, Scope.Scope>
}

/** A database that answers. */
export interface Opened {
  /** One more connection, or pool of them. */
  readonly connect: (options?: { readonly maxConnections?: number }) => Layer.Layer<SqlClient.SqlClient, unknown>
  /** Whether two connections see the same rows. */
  readonly shared: boolean
  /** How another process reaches it. */
  readonly url: string
}

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "evertoken-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

export const sqliteFile: Database = {
  name: "SQLite, in a file",
  open: Effect.map(temporary, (folder) => ({
    connect: () => SqliteClient.layer({ filename: join(folder, "tokens.db") }),
    shared: true,
    url: `file:${join(folder, "tokens.db")}`
  }))
}

export const sqliteMemory: Database = {
  name: "SQLite, in memory",
  open: Effect.succeed({ connect: () => SqliteClient.layer({ filename: ":memory:" }), shared: false, url: "" })
}

export const postgres: Database = {
  name: "PostgreSQL",
  open: Effect.gen(function* () {
    const server = yield* Effect.promise(postgresOfTheRun)
    const url = new URL(server)
    url.pathname = `/evertoken_${randomUUID().replaceAll("-", "")}`
    const admin = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
      Effect.provide(Effect.flatMap(SqlClient.SqlClient, use), PgClient.layer({ url: Redacted.make(server) }))
    yield* Effect.acquireRelease(
      admin((sql) => sql`CREATE DATABASE ${sql(url.pathname.slice(1))}`),
      () => Effect.ignore(admin((sql) => sql`DROP DATABASE ${sql(url.pathname.slice(1))} WITH (FORCE)`))
    )
    return {
      connect: (options = {}) => PgClient.layer({ url: Redacted.make(url.href), ...options }),
      shared: true,
      url: url.href
    }
  })
}

const postgresOfTheRun = async () => {
  const response = await fetch(inject("postgres"))
  if (!response.ok) throw new Error(await response.text())
  return response.text()
}

const mysqlUrl = process.env.EVERTOKEN_TEST_MYSQL_URL
export const mysql: Database = {
  name: "MySQL or MariaDB",
  ...(mysqlUrl === undefined || mysqlUrl === "" ? { missing: "EVERTOKEN_TEST_MYSQL_URL names none" } : {}),
  open: Effect.sync(() => {
    const url = new URL(mysqlUrl ?? "mysql://none")
    return {
      connect: ({ maxConnections = 10 } = {}) =>
        MysqlClient.layer({
          host: url.hostname,
          port: Number(url.port || 3306),
          username: decodeURIComponent(url.username),
          password: Redacted.make(decodeURIComponent(url.password)),
          database: url.pathname.slice(1),
          maxConnections
        }),
      shared: true,
      url: mysqlUrl ?? ""
    }
  })
}

export const databases: ReadonlyArray<Database> = [sqliteFile, sqliteMemory, postgres, mysql]

/** What the tests of one database share. */
export interface Setting extends Opened {
  readonly name: string
  /** Tables of this file alone; gone afterwards. */
  readonly table: (name?: string) => string
}

/** The same tests on each database that can be had; the others are shown as skipped, with the reason. */
export const onEach = (
  title: (name: string) => string,
  tests: (setting: () => Setting) => void,
  wanted: ReadonlyArray<Database> = databases
) => {
  for (const { missing, name, open } of wanted) {
    const said = missing === undefined ? title(name) : `${title(name)} (skipped: ${missing})`
    describe.skipIf(missing !== undefined)(said, () => {
      const scope = Effect.runSync(Scope.make())
      const made: Array<string> = []
      let setting: Setting | undefined
      beforeAll(async () => {
        const opened = await Effect.runPromise(Scope.extend(open, scope))
        const id = randomUUID().slice(0, 8)
        const table = (of = "tokens") => {
          if (!made.includes(of)) made.push(of)
          return `${of}_${id}`
        }
        setting = { ...opened, name, table }
        const sweep = Effect.provide(
          Effect.forEach(made, (of) => drop(table(of))),
          opened.connect()
        )
        await Effect.runPromise(Scope.addFinalizer(scope, Effect.ignore(Effect.suspend(() => sweep))))
      }, 60_000)
      afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 60_000)
      tests(() => {
        if (setting === undefined) throw new Error("the database is not open yet")
        return setting
      })
    })
  }
}

const drop = (table: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const names = [table, `${table}_mark`, `${table}_migrations`]
    yield* Effect.forEach(names, (name) => sql`DROP TABLE IF EXISTS ${sql(name)}`.unprepared)
  })
