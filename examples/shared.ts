import { SqliteClient } from "@effect/sql-sqlite-node"
import { TokenCipher } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Layer } from "effect"

export const Store = SqlTokenStore.layer({ encryption: TokenCipher.config() }).pipe(
  Layer.provide(SqliteClient.layer({ filename: "tokens.db" }))
)
