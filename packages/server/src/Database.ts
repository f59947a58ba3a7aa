import { fileURLToPath } from "node:url"
import type { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Effect, Layer, Redacted } from "effect"
import { SettingsError } from "./Settings.js"

/** The database that `address` names: `file:tokens.db`, `postgres://…` or `mysql://…`. */
export const layer = (setting: string, address: Redacted.Redacted): Layer.Layer<SqlClient.SqlClient, SettingsError> => {
  const text = Redacted.value(address)
  const broken = new SettingsError({ setting, problem: "the database cannot be reached" })
  if (/^postgres(?:ql)?:\/\//.test(text)) return Layer.mapError(PgClient.layer({ url: address }), () => broken)
  if (/^(?:mysql|mariadb):\/\//.test(text)) {
    const url = Redacted.make(text.replace(/^mariadb:/, "mysql:"))
    return Layer.mapError(MysqlClient.layer({ url }), () => broken)
  }
  if (text.startsWith("file:")) {
    return Layer.unwrapEffect(
      Effect.try({
        try: () => SqliteClient.layer({ filename: fileOf(text) }),
        catch: () => new SettingsError({ setting, problem: "expected a file, such as file:tokens.db" })
      })
    ).pipe(Layer.mapError(() => broken))
  }
  const problem = "expected file:tokens.db, postgres://… or mysql://…"
  return Layer.fail(new SettingsError({ setting, problem }))
}

const fileOf = (address: string) =>
  address.startsWith("file://") ? fileURLToPath(address) : address.slice("file:".length)
