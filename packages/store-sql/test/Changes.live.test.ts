import { randomUUID } from "node:crypto"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import type { TokenChange } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Queue, Redacted, Stream } from "effect"
import { changeFeed } from "../src/Changes.js"
import { onEach, postgres } from "./Database.js"

onEach(
  (name) => `hints on ${name}`,
  (setting) => {
    it.live("reach other processes, for keys of any length and letters", () =>
      Effect.gen(function* () {
        const { connect, table: named } = setting()
        const table = named("hints")
        const [mine, yours] = [yield* Layer.build(connect()), yield* Layer.build(connect())]
        yield* Effect.provide(SqlTokenStore.migrate({ table }), mine)
        const backend = yield* Effect.provide(SqlTokenStore.backend({ table }), mine)
        const other = yield* Effect.provide(SqlTokenStore.backend({ table }), yours)
        const hints = yield* Queue.unbounded<TokenChange>()
        yield* Effect.forkScoped(Stream.runForEach(other.changes ?? Stream.never, (change) => hints.offer(change)))
        const keys = ["k", "é".repeat(1_024), "a b", " 1 2", "🔑"]
        const generation = 1 + (yield* backend.load("k")).now
        const put = (key: string, expected?: number) =>
          backend.put(key, { expected, generation, payload: "{}", dueIn: undefined })
        yield* Effect.forEach(keys, (key) => put(key))
        // The first ones may come before anybody listens.
        const again = Effect.forever(Effect.delay(put("k", generation), "20 millis"))
        yield* Effect.raceFirst(again, hints.take)
        for (const key of keys) {
          yield* put(key, generation)
          yield* Effect.repeat(hints.take, { until: (hint) => hint.key === key && hint.generation === generation })
        }
      }).pipe(Effect.scoped)
    )

    it.live(
      "come again after their connection died, with or without a word, and the stream never ends (P6, P8)",
      () =>
        Effect.gen(function* () {
          const { url } = setting()
          const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
          const sql = yield* Effect.provide(PgClient.PgClient, client)
          const channel = `feed_${randomUUID().replaceAll("-", "")}`
          const feed = yield* changeFeed(sql, channel, { every: "50 millis", answer: "200 millis" })
          const hints = yield* Queue.unbounded<TokenChange>()
          const reading = yield* Effect.forkScoped(Stream.runForEach(feed, (change) => hints.offer(change)))
          const tell = Effect.forever(Effect.delay(sql`SELECT pg_notify(${channel}, ${"7 key"})`, "10 millis"))
          const heard = Effect.zipRight(hints.takeAll, Effect.raceFirst(tell, hints.take))
          assert.deepStrictEqual(yield* heard, { key: "key", generation: 7 })
          for (let round = 0; round < 3; round++) {
            // A busy machine may just be listening anew, so it is tried until there was a connection to end.
            const kill = sql<{ pid: number }>`SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE query LIKE ${`LISTEN %${channel}%`} AND pid <> pg_backend_pid()`
            yield* Effect.repeat(kill, { until: (killed) => killed.length > 0 })
            assert.deepStrictEqual(yield* heard, { key: "key", generation: 7 })
          }
          assert.isNull(reading.unsafePoll())
          yield* Fiber.interrupt(reading)
        }).pipe(Effect.scoped),
      30_000
    )
  },
  [postgres]
)
