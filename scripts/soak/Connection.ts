import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { type Layer, Redacted } from "effect"

/** The database that `url` names: `file:…` or `postgres://…`. */
export const connection = (url: string): Layer.Layer<SqlClient.SqlClient, unknown> =>
  url.startsWith("file:")
    ? SqliteClient.layer({ filename: url.slice("file:".length) })
    : // As long as a busy machine needs; what connects while the wire is held waits for all of it once that is mended.
      PgClient.layer({ url: Redacted.make(url), connectTimeout: "10 seconds" })
