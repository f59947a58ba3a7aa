import type { SqlClient } from "@effect/sql"
import type { Fragment } from "@effect/sql/Statement"
import { type SealedRows, TokenCipher } from "@evertoken/core/encryption"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Run } from "../statements/Sessions.js"
import { decoded, Int } from "../statements/Statements.js"

/** How a database writes keys, and how it tells whether a statement changed a row. */
export interface Keys {
  readonly equals: (key: string) => Fragment
  readonly above: (key: string) => Fragment
  /** The key column as it is read. */
  readonly column: Fragment
  readonly parse: (column: string) => string
  readonly changes: (update: Fragment) => Effect.Effect<boolean, unknown>
}

/** What changing the encryption keys needs; the same on every database. */
export const sealedRows = (sql: SqlClient.SqlClient, table: string, run: Run, keys: Keys): SealedRows => ({
  page: ({ after, except, limit }) =>
    run(sql`SELECT ${keys.column} AS name, generation, payload FROM ${sql(table)}
      WHERE payload IS NOT NULL AND (key_id IS NULL OR key_id <> ${except})
        AND ${after === undefined ? sql.literal("1 = 1") : keys.above(after)}
      ORDER BY ${sql("key")} LIMIT ${sql.literal(String(limit))}`).pipe(
      Effect.flatMap((rows) => decoded(decodePage(rows))),
      Effect.map((rows) => rows.map(({ name, ...row }) => ({ ...row, key: keys.parse(name) })))
    ),
  reseal: (key, { from, generation, to }) =>
    keys.changes(sql`UPDATE ${sql(table)} SET payload = ${to}, key_id = ${Option.getOrNull(TokenCipher.keyId(to))}
      WHERE ${keys.equals(key)} AND generation = ${generation} AND payload = ${from}`),
  count: run(
    sql`SELECT key_id AS id, COUNT(*) AS ${sql("rows")} FROM ${sql(table)} WHERE payload IS NOT NULL GROUP BY key_id`
  ).pipe(
    Effect.flatMap((rows) => decoded(decodeCounts(rows))),
    Effect.map((counts) => counts.map(({ id, rows }) => ({ keyId: id ?? undefined, rows })))
  )
})

const decodePage = Schema.decodeUnknownOption(
  Schema.Array(Schema.Struct({ name: Schema.String, generation: Int, payload: Schema.String }))
)
const decodeCounts = Schema.decodeUnknownOption(
  Schema.Array(Schema.Struct({ id: Schema.NullOr(Schema.String), rows: Int }))
)
