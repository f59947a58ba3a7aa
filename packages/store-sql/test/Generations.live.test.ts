import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { TokenProvider } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Layer } from "effect"
import { onEach } from "./Database.js"
import { rotatingGrant } from "./Grant.js"

onEach(
  (name) => `a failover to a replica that was one commit behind, on ${name}`,
  (setting) => {
    it.live("P4: the newer tokens go over the older row, whose refresh token is not presented again", () => {
      const table = setting().table()
      return Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const grant = rotatingGrant()
        const provider = yield* TokenProvider.make({ key: "restored", source: grant.source })
        yield* provider.put(grant.issue())
        const rows = Effect.map(
          sql<{ generation: number; payload: string }>`SELECT generation, payload FROM ${sql(table)}`,
          ([row]) => ({ generation: Number(row?.generation), payload: `${row?.payload}` })
        )
        const older = yield* rows
        yield* provider.refresh
        const newer = yield* rows
        yield* sql`UPDATE ${sql(table)} SET generation = ${older.generation}, payload = ${older.payload}`
        yield* provider.refresh
        assert.isAbove((yield* rows).generation, newer.generation)
        assert.strictEqual(grant.posts(), 2)
        assert.strictEqual(grant.alarms(), 0)
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.provideMerge(SqlTokenStore.layer({ encryption: "off", table }), setting().connect()))
      )
    })
  }
)
