import { SqlClient } from "@effect/sql"
import { beforeAll, it } from "@effect/vitest"
import { type StoreUnderTest, storeContract } from "@evertoken/core/testing"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Exit, Layer, Scope } from "effect"
import { onEach } from "./Database.js"

onEach(
  (name) => `SqlTokenStore on ${name} keeps the contract`,
  (setting) => {
    const scope = Effect.runSync(Scope.make())
    let store: StoreUnderTest

    beforeAll(async () => {
      const { connect, shared, table: named } = setting()
      const table = named()
      const open = Effect.gen(function* () {
        const [mine, yours] = [yield* Layer.build(connect()), yield* Layer.build(connect())]
        const opened = Effect.zipRight(SqlTokenStore.migrate({ table }), SqlTokenStore.backend({ table }))
        const backend = yield* Effect.provide(opened, mine)
        const setBack = (millis: number) =>
          Effect.flatMap(SqlClient.SqlClient, (sql) => {
            const moved = INSTANTS.map((name) => `${name} = ${name} + ${millis}`).join(", ")
            return sql`UPDATE ${sql(table)} SET ${sql.literal(moved)}`
          }).pipe(Effect.provide(mine))
        return { backend, setBack, other: shared ? yield* Effect.provide(opened, yours) : undefined }
      })
      store = await Effect.runPromise(Scope.extend(open, scope))
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    })

    for (const { test, title } of storeContract) it.live(title, () => test(store))
  }
)

/** Moving them ahead is to the rows what setting the clock back is. */
const INSTANTS = [
  "lease_until",
  "leased_at",
  "intent_at",
  "due_at",
  "scheduled_at",
  "retry_at",
  "refreshed_at",
  "failed_at"
]
