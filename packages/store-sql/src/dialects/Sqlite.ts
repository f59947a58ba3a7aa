import type { SqlClient } from "@effect/sql"
import * as Effect from "effect/Effect"
import type { Names } from "../statements/Statements.js"
import type { Returning } from "./ReturningBackend.js"

/** SQLite, from version 3.35. */
export const sqlite = (sql: SqlClient.SqlClient, names: Names): Returning => {
  const tokens = sql(names.tokens)
  // SQLite keeps one instant for a statement, in whole milliseconds.
  const now = sql.literal("CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)")
  return {
    now,
    greatest: sql.literal("max"),
    least: sql.literal("min"),
    notify: (generation) => sql`${generation}`,
    claim: (due, order, limit, until) => sql`
      UPDATE ${tokens} SET claim = due_at, due_at = ${until}, scheduled_at = ${now}, claims = claims + 1
      WHERE key IN (SELECT key FROM ${tokens} WHERE ${due} ORDER BY ${order} LIMIT ${sql.literal(String(limit))})
      RETURNING key, generation, claim AS was`,
    remove: (key) => sql`DELETE FROM ${tokens} WHERE key = ${key} RETURNING generation`
  }
}

/**
 * Makes SQLite say at once that another connection has the lock. Drivers for it stand still while they wait, and the
 * whole process with them: no lease is renewed, no timer runs. The waiting is ours instead, with sleeps.
 */
export const neverStandStill = (sql: SqlClient.SqlClient): Effect.Effect<void> =>
  sql.onDialectOrElse({
    // A service that takes no such setting does its waiting elsewhere.
    sqlite: () => Effect.ignore(sql`PRAGMA busy_timeout = 2`.unprepared),
    orElse: () => Effect.void
  })
