import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Layer, Redacted } from "effect"

const Store = SqlTokenStore.layer({ encryption: TokenCipher.config() })

export const OnSqlite = Layer.provide(Store, SqliteClient.layer({ filename: "tokens.db" }))
export const OnPostgres = Layer.provide(Store, PgClient.layer({ url: Redacted.make("postgres://app@db/app") }))
export const OnMysql = Layer.provide(Store, MysqlClient.layer({ host: "db", username: "app", database: "app" }))
