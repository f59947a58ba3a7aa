import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { type InvalidOption, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Data, Effect, Logger, LogLevel } from "effect"
import { mysql, onEach, postgres, sqliteFile } from "./Database.js"

const HOPELESS = 15_000
const LIVE = 50
const AT_A_TIME = 32

/** No source for the key any more. */
class Gone extends Data.TaggedError("Gone") {}

onEach(
  (name) => `rows that nobody can help on ${name}`,
  (setting) => {
    it.live(
      "15,000 of three kinds, all due for long, hold up none of 50 that live: few of them are claimed before (P9)",
      () =>
        Effect.gen(function* () {
          const table = setting().table("hopeless")
          const sql = yield* SqlClient.SqlClient
          const store = yield* SqlTokenStore.make({ encryption: "off", table })
          const ended = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "1 millis" })
          yield* store.put("in doubt", ended.obtained(Date.now()), undefined)
          const [first] = yield* sql<{ payload: string; now: number }>`SELECT payload FROM ${sql(table)}`
          const now = Date.now()
          const doubt = { payload: first?.payload, intent_owner: "killed", intent_at: now - 60_000 }
          const unread = { payload: "no tokens", intent_owner: null, intent_at: null }
          const kinds = [doubt, unread, { ...unread, payload: first?.payload }]
          const rows = Array.from({ length: HOPELESS }, (_, at) => ({
            key: `${["doubt", "unreadable", "gone"][at % 3]} ${at}`,
            generation: now,
            ...(kinds[at % 3] ?? doubt),
            due_at: now - 3_600_000 + at,
            scheduled_at: now - 7_200_000,
            refreshed_at: now - 7_200_000
          }))
          for (let from = 0; from < rows.length; from += 500) {
            yield* sql`INSERT INTO ${sql(table)} ${sql.insert(rows.slice(from, from + 500))}`
          }
          const live = Array.from({ length: LIVE }, (_, at) => `live ${at}`)
          let claimed: Array<string> = []
          let renewed = new Set<string>()
          const counting: TokenStore["Type"] = {
            ...store,
            due: (claim) =>
              Effect.tap(store.due(claim), (found) =>
                Effect.sync(() => {
                  claimed = [...claimed, ...found.map(({ key }) => key)]
                })
              )
          }
          const source = (key: string): Effect.Effect<TokenSource, Gone | InvalidOption> =>
            key.startsWith("gone")
              ? new Gone()
              : TokenSource.make({
                  replay: "never",
                  refresh: () =>
                    Effect.sync(() => {
                      if (!live.includes(key)) throw new Error(`${key} was asked for`)
                      renewed.add(key)
                      return TokenSet.make({ accessToken: "b", refreshToken: "r", expiresIn: "1 hour" })
                    })
                })
          yield* Effect.provideService(
            TokenWorker.make({ source, concurrency: AT_A_TIME, every: "100 millis" }),
            TokenStore,
            counting
          ).pipe(Logger.withMinimumLogLevel(LogLevel.None)) // each key without a source is told of once
          for (let round = 0; round < 2; round++) {
            renewed = new Set()
            for (const key of live) yield* store.put(key, ended.obtained(Date.now()), 0)
            claimed = []
            while (renewed.size < LIVE) yield* Effect.sleep("50 millis")
            // Every other claim is of what came due last.
            const last = claimed.findLastIndex((key) => live.includes(key))
            const before = claimed.slice(0, Math.max(0, last)).filter((key) => !live.includes(key))
            assert.isAtMost(before.length, 10 * AT_A_TIME, `round ${round}`)
          }
        }).pipe(Effect.scoped, Effect.provide(setting().connect())),
      600_000
    )
  },
  [sqliteFile, postgres, mysql]
)
