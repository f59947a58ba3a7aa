import { Statement } from "@effect/sql"
import { Effect } from "effect"

/** What each database says that the time is; the statements must say it in these words. */
const NOW = [
  "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint",
  "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)",
  "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000)"
]

/** Runs with a database whose clock is ahead by so much, as its own statements see it. */
export const withClock =
  (clock: { ahead: number }) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Statement.withTransformer(self, (statement, sql) =>
      Effect.sync(() => {
        const [text, values] = statement.compile()
        const moved = NOW.reduce((text, now) => text.replaceAll(now, `(${now} + ${clock.ahead})`), text)
        return moved === text ? statement : sql.unsafe(moved, values)
      })
    )
