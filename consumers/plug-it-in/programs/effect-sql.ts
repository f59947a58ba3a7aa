import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { TokenProvider, TokenRejected } from "@evertoken/core"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import pg from "pg"
import { plug } from "../harness/plug.js"
import { database, postgresSide } from "../harness/postgres.js"
import { Tokens } from "./provider.js"

const Sql = Layer.unwrapEffect(
  Effect.map(TokenProvider, ({ get }) => {
    const password = () => Effect.runPromise(Effect.map(get, ({ value }) => Redacted.value(value)))
    return PgClient.layerFromPool({ acquire: Effect.sync(() => new pg.Pool({ ...database, password })) })
  })
)
const one = Effect.gen(function* () {
  const provider = yield* TokenProvider
  const sql = yield* SqlClient.SqlClient
  return yield* provider.use(() =>
    Effect.mapError(sql`select 1 as one`, (error) => (isRefused(error) ? new TokenRejected() : error))
  )
})
const isRefused = ({ cause }: { readonly cause?: unknown }) => Object(cause).code === "28P01"

const runtime = ManagedRuntime.make(Layer.provideMerge(Sql, Tokens))

export default plug({
  call: () => runtime.runPromise(one),
  gives: [{ one: 1 }],
  refusal: "repaired",
  ...postgresSide,
  stop: () => runtime.dispose()
})
