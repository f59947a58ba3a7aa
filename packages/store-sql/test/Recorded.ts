import { Statement } from "@effect/sql"
import { Effect } from "effect"

/** Notes the text of every statement that `self` and the fibers it starts send. */
export const recorded =
  (into: Array<string>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Statement.withTransformer(self, (statement) =>
      Effect.sync(() => {
        into.push(statement.compile()[0].trim())
        return statement
      })
    )
