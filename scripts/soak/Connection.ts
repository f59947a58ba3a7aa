import { Socket } from "node:net"
import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { type Layer, Redacted } from "effect"

/** The database that `url` names, `file:…` or `postgres://…`, by the layer that docs/stores.md shows. */
export const connection = (url: string): Layer.Layer<SqlClient.SqlClient, unknown> => {
  if (url.startsWith("file:")) return SqliteClient.layer({ filename: url.slice("file:".length) })
  const address = new URL(url)
  address.searchParams.set("statement_timeout", "10000")
  return PgClient.layer({
    url: Redacted.make(address.href),
    connectTimeout: "5 seconds",
    stream: () => new Socket().setKeepAlive(true, 10_000)
  })
}
