import type { SqlClient } from "@effect/sql"
import type { Returning } from "./ReturningBackend.js"
import type { Names } from "./Statements.js"

/** PostgreSQL, from version 10. */
export const postgres = (sql: SqlClient.SqlClient, names: Names): Returning => {
  const [tokens, mark] = [sql(names.tokens), sql(names.mark)]
  const now = sql.literal("floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint")
  // Sent when the statement is committed, and only for rows that it changed.
  const notify: Returning["notify"] = (generation) =>
    sql`pg_notify(${names.channel}, ${generation}::text || ' ' || key)`
  return {
    now,
    greatest: sql.literal("GREATEST"),
    notify,
    claim: (due, limit, lasts) => sql`
      WITH claimed AS (
        SELECT key, due_at FROM ${tokens} WHERE ${due} ORDER BY due_at LIMIT ${sql.literal(String(limit))}
        FOR UPDATE SKIP LOCKED
      )
      UPDATE ${tokens} AS r SET due_at = ${now} + CAST(${Math.ceil(lasts)} AS bigint) FROM claimed
      WHERE r.key = claimed.key RETURNING r.key, r.generation, claimed.due_at AS was`,
    remove: (key) => sql`
      WITH removed AS (DELETE FROM ${tokens} WHERE key = ${key} RETURNING key, generation),
      marked AS (UPDATE ${mark} SET highest = GREATEST(highest, removed.generation) FROM removed)
      SELECT ${notify(sql.literal("0"))} FROM removed`
  }
}
