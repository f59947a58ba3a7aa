import { SqliteClient } from "@effect/sql-sqlite-node"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Layer } from "effect"

export const store = SqlTokenStore.layer({ encryption: TokenCipher.config() }).pipe(
  Layer.provide(SqliteClient.layer({ filename: "logins.db" }))
)
