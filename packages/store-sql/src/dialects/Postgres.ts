import type { SqlClient } from "@effect/sql"
import type { Names } from "../statements/Statements.js"
import type { Returning } from "./ReturningBackend.js"

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
    least: sql.literal("LEAST"),
    notify,
    claim: (due, order, limit, until) => sql`
      WITH claimed AS (
        SELECT key, due_at FROM ${tokens} WHERE ${due} ORDER BY ${order} LIMIT ${sql.literal(String(limit))}
        FOR UPDATE SKIP LOCKED
      )
      UPDATE ${tokens} AS r SET due_at = ${until}, scheduled_at = ${now}, claims = claims + 1 FROM claimed
      WHERE r.key = claimed.key RETURNING r.key, r.generation, claimed.due_at AS was`,
    remove: (key) => sql`
      WITH removed AS (DELETE FROM ${tokens} WHERE key = ${key} RETURNING key, generation),
      marked AS (UPDATE ${mark} SET highest = GREATEST(highest, removed.generation) FROM removed)
      SELECT ${notify(sql.literal("0"))} FROM removed`
  }
}
