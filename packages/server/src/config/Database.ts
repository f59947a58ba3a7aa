import { accessSync, closeSync, constants, existsSync, openSync } from "node:fs"
import { Socket } from "node:net"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { SqlClient } from "@effect/sql"
import type { SqliteClientConfig } from "@effect/sql-sqlite-node/SqliteClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { problemOf } from "./DatabaseProblem.js"
import { SettingsError } from "./Settings.js"

/**
 * Whether `address` is a file that SQLite keeps tokens in, known by its ending; any other file holds an address.
 */
export const isFile = (address: string): boolean => /^file:(?:.+\.(?:db|sqlite3?)|:memory:)$/i.test(address)

/**
 * The database that `address` names: `file:tokens.db`, `postgres://…` or `mysql://…`. It fails within five seconds where
 * nothing answers, and can be interrupted meanwhile. A file is made where it is missing, unless it is only to be `look`ed at.
 */
export const layer = (
  setting: string,
  address: Redacted.Redacted,
  use: "keep" | "look" = "keep"
): Layer.Layer<SqlClient.SqlClient, SettingsError> => {
  const text = Redacted.value(address)
  const broken = (error: unknown) => new SettingsError({ setting, problem: problemOf(text, error) })
  if (/^postgres(?:ql)?:\/\//.test(text)) return Layer.mapError(prompt(postgres(text)), broken)
  if (/^(?:mysql|mariadb):\/\//.test(text)) return Layer.mapError(prompt(mysql(text)), broken)
  if (isFile(text)) {
    const open = Effect.try({ try: () => opened(text, use), catch: (error) => error })
    return Layer.mapError(Layer.unwrapEffect(open), broken)
  }
  const problem = "expected file:tokens.db, postgres://… or mysql://…, or where that is: env:NAME or file:/path"
  return Layer.fail(new SettingsError({ setting, problem }))
}

/** Milliseconds that a connection may take to be made. */
const CONNECT = 5_000
/** Milliseconds after which the server ends a statement: as long as the store waits for it. */
const STATEMENT = 10_000
/** Milliseconds of silence after which a connection is probed. */
const PROBE = 10_000

/** A layer of a driver, which is loaded where it is needed: each takes its time, and one of three is enough. */
const loaded = <Driver, A, E>(driver: () => Promise<Driver>, make: (driver: Driver) => Layer.Layer<A, E>) =>
  Layer.unwrapEffect(Effect.map(Effect.promise(driver), make))

// The client throws what the driver does.
const sqlite = (options: SqliteClientConfig) =>
  loaded(
    () => import("@effect/sql-sqlite-node/SqliteClient"),
    (SqliteClient) => Layer.catchAllCause(SqliteClient.layer(options), (cause) => Layer.fail(Cause.squash(cause)))
  )

const postgres = (url: string) =>
  loaded(
    () => import("@effect/sql-pg/PgClient"),
    (PgClient) => {
      const options = { connectTimeout: CONNECT, applicationName: "evertoken", stream: probed }
      const address = withQuery(url, { statement_timeout: STATEMENT })
      const limited = PgClient.layer({ ...options, url: Redacted.make(address) })
      // A pooler may refuse settings of the session; then its own have to do.
      return Layer.catchAll(limited, (error) =>
        Predicate.hasProperty(error.cause, "code") && error.cause.code === "08P01"
          ? PgClient.layer({ ...options, url: Redacted.make(url) })
          : Layer.fail(error)
      )
    }
  )

const probed = () => new Socket().setKeepAlive(true, PROBE)

const mysql = (url: string) =>
  loaded(
    () => import("@effect/sql-mysql2/MysqlClient"),
    (MysqlClient) => {
      const settings = { connectTimeout: CONNECT, keepAliveInitialDelay: PROBE }
      return MysqlClient.layer({ url: Redacted.make(withQuery(url.replace(/^mariadb:/, "mysql:"), settings)) })
    }
  )

/** `address` with settings for what it does not set itself; as it is where it is no URL. */
const withQuery = (address: string, settings: Readonly<Record<string, number>>): string => {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  for (const [name, value] of Object.entries(settings)) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, String(value))
  }
  return url.href
}

/** The same client, whose opening can be interrupted, and whose closing ends also where the server answers no more. */
const prompt = <A, E>(client: Layer.Layer<A, E>): Layer.Layer<A, E> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
        Scope.close(scope, exit).pipe(
          Effect.interruptible,
          Effect.disconnect,
          Effect.timeout("1 second"),
          Effect.ignore
        )
      )
      return yield* Effect.disconnect(Layer.buildWithScope(client, scope))
    })
  )

const opened = (address: string, use: "keep" | "look") => {
  const filename = fileOf(address)
  return use === "look" ? lookAt(filename) : sqlite({ filename: ownFile(filename) })
}

/** The file, made for nobody but this user; SQLite gives what it keeps beside it the same mode. */
const ownFile = (path: string): string => {
  if (path !== "" && path !== ":memory:") closeSync(openSync(path, "a", 0o600))
  return path
}

/** Where `address` is a file that is not there yet; it fails where none can be made. */
export const isAbsent = (setting: string, address: Redacted.Redacted): Effect.Effect<boolean, SettingsError> =>
  Effect.try({
    try: () => {
      const text = Redacted.value(address)
      if (!isFile(text)) return false
      const path = fileOf(text)
      if (path === ":memory:") return true
      accessSync(existsSync(path) ? path : dirname(path), constants.W_OK)
      return !existsSync(path)
    },
    catch: (error) => new SettingsError({ setting, problem: problemOf(Redacted.value(address), error) })
  })

/** Opened for writing, since a reader of its own would leave files behind; then nothing can be written. */
const lookAt = (filename: string) =>
  Layer.tap(sqlite({ filename, disableWAL: true }), (context) => {
    const sql = Context.get(context, SqlClient.SqlClient)
    // The second reads the file, and so fails where it is no database.
    return Effect.zipRight(sql`PRAGMA query_only = 1`.unprepared, sql`PRAGMA schema_version`.unprepared)
  })

const fileOf = (address: string) =>
  address.startsWith("file://") ? fileURLToPath(address) : address.slice("file:".length)
