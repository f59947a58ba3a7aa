import type { SqlClient } from "@effect/sql"
import type { Fragment } from "@effect/sql/Statement"
import type { TokenStoreBackend } from "@evertoken/core/store"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Run } from "../statements/Sessions.js"
import { decoded, Int } from "../statements/Statements.js"

/** The earliest due time, which is the first of its index, and `now`, the database's clock. */
export const firstDue = (
  sql: SqlClient.SqlClient,
  table: string,
  run: Run,
  now: Fragment
): NonNullable<TokenStoreBackend["firstDue"]> =>
  run(sql`SELECT ${now} AS now, due_at FROM ${sql(table)} WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1`).pipe(
    Effect.flatMap((rows) => decoded(decode(rows))),
    Effect.map(([first]) => ({ now: first?.now ?? 0, dueAt: first?.due_at }))
  )

const decode = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ now: Int, due_at: Int })))
