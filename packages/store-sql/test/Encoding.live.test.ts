import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { TokenSet, TokenStoreError } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Layer, Redacted } from "effect"
import { onEach, postgres } from "./Database.js"

onEach(
  (name) => `a database that is not in UTF-8, on ${name}`,
  (setting) => {
    const inEncoding = (encoding: string) =>
      Effect.gen(function* () {
        const name = `encoded_${randomUUID().replaceAll("-", "")}`
        const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(setting().connect()))
        yield* Effect.acquireRelease(
          sql.unsafe(`CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`),
          () => Effect.ignore(sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
        )
        const url = new URL(setting().url)
        url.pathname = `/${name}`
        const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url.href) }))
        return yield* Effect.provide(SqlTokenStore.make({ encryption: "off" }), client)
      })

    it.scopedLive("LATIN1: refuses a key that it cannot keep as a key, and keeps those that it can (P13)", () =>
      Effect.gen(function* () {
        const store = yield* inEncoding("LATIN1")
        const tokens = TokenSet.make({ accessToken: "at" })
        const asks = [Effect.asVoid(store.put("tenant 🔑", tokens, undefined)), Effect.asVoid(store.load("tenant 🔑"))]
        for (const ask of asks) {
          const error = yield* Effect.flip(ask)
          assert.instanceOf(error, TokenStoreError)
          assert.deepStrictEqual([error.reason, error.key], ["key", "tenant 🔑"])
        }
        yield* store.put("tenant é", tokens, undefined)
        yield* Effect.flatten(store.load("tenant é"))
      })
    )

    it.scopedLive("SQL_ASCII: keeps any key (P13)", () =>
      Effect.gen(function* () {
        const store = yield* inEncoding("SQL_ASCII")
        yield* store.put("tenant 🔑", TokenSet.make({ accessToken: "at" }), undefined)
        yield* Effect.flatten(store.load("tenant 🔑"))
      })
    )
  },
  [postgres]
)
