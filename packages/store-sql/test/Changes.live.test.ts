import { randomUUID } from "node:crypto"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { TokenStore } from "@evertoken/core"
import type { TokenChange } from "@evertoken/core/store"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Effect, Fiber, Layer, Logger, Option, Queue, Redacted, Stream } from "effect"
import { changeFeed } from "../src/Changes.js"
import { namesOf } from "../src/statements/Statements.js"
import { onEach, postgres, type Setting } from "./Database.js"
import { poolerTo } from "./Pooler.js"
import { proxyTo } from "./Proxy.js"

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

    it.live("leave no connection behind where a store ends as soon as it was made, so that its process can end", () =>
      Effect.gen(function* () {
        const { connect, table: named, url } = setting()
        const table = named("brief")
        const applicationName = `brief ${randomUUID()}`
        const watcher = yield* Layer.build(connect())
        const sql = yield* Effect.provide(PgClient.PgClient, watcher)
        yield* Effect.provide(SqlTokenStore.migrate({ table }), watcher)
        const brief = PgClient.layer({ url: Redacted.make(url), applicationName })
        const store = Effect.flatMap(TokenStore, (store) => store.load("k")).pipe(
          Effect.provide(Layer.provide(SqlTokenStore.layer({ encryption: "off", table }), brief))
        )
        for (let round = 0; round < 10; round++) assert.isTrue(Option.isNone(yield* store))
        const left = Effect.map(
          sql<{
            n: number
          }>`SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = ${applicationName}`,
          ([row]) => row?.n
        )
        // The database takes a moment to see that a client has gone.
        const none = Effect.repeat(Effect.delay(left, "50 millis"), { until: (n) => n === 0 })
        yield* Effect.timeoutTo(none, {
          duration: "10 seconds",
          onSuccess: () => undefined,
          onTimeout: () => assert.fail("connections are left")
        })
      }).pipe(Effect.scoped)
    )

    it.live("come again after their connection died, with or without a word, and the stream never ends (P6, P8)", () =>
      Effect.gen(function* () {
        const { url } = setting()
        const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
        const sql = yield* Effect.provide(PgClient.PgClient, client)
        const names = namesOf({ table: `feed_${randomUUID().slice(0, 8)}` })
        const { channel } = names
        const often = { every: "50 millis", answer: "200 millis", deafFor: "10 millis" } as const
        const feed = yield* changeFeed(sql, names, often)
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
      }).pipe(Effect.scoped)
    )

    it.live("come again after the network lost packets, although no connection heard of it (P6, P14)", () =>
      Effect.gen(function* () {
        const { url } = setting()
        const { hostname, port } = new URL(url)
        const wire = yield* proxyTo(hostname, Number(port))
        const sql = yield* Effect.provide(PgClient.PgClient, yield* Layer.build(clientOn(setting(), wire.port)))
        const options = { table: setting().table("lost") }
        const direct = yield* Layer.build(clientOn(setting(), Number(port)))
        yield* Effect.provide(SqlTokenStore.migrate(options), direct)
        const other = yield* Effect.provide(SqlTokenStore.backend(options), direct)
        const feed = yield* changeFeed(sql, namesOf(options), { every: "100 millis", answer: "1 second" })
        const hints = yield* Queue.unbounded<TokenChange>()
        yield* Effect.forkScoped(Stream.runForEach(feed, (change) => hints.offer(change)))
        let generation = (yield* other.load("k")).now
        yield* other.put("k", { expected: undefined, generation, payload: "{}", dueIn: undefined })
        const tell = Effect.suspend(() =>
          other.put("k", { expected: generation, generation: ++generation, payload: "{}", dueIn: undefined })
        ).pipe(Effect.delay("50 millis"), Effect.forever)
        const heard = Effect.zipRight(hints.takeAll, Effect.raceFirst(tell, hints.take))
        yield* heard
        yield* wire.hold
        yield* Effect.sleep("3 seconds")
        yield* wire.mend
        yield* hints.takeAll
        assert.isTrue(Option.isSome(yield* Effect.timeoutOption(heard, "25 seconds")))
      }).pipe(Effect.scoped)
    )

    it.live(
      "come within two seconds through a pooler in transaction mode, which is said once, and no LISTEN is left there (P14)",
      () =>
        Effect.gen(function* () {
          const { table: named, url } = setting()
          const table = named("pooled")
          const { hostname, port } = new URL(url)
          const pooler = yield* poolerTo(hostname, Number(port))
          const direct = yield* Layer.build(clientOn(setting(), Number(port)))
          yield* Effect.provide(SqlTokenStore.migrate({ table }), direct)
          const said: Array<string> = []
          const backend = yield* SqlTokenStore.backend({ table }).pipe(
            Effect.provide(yield* Layer.build(clientOn(setting(), pooler.port))),
            Effect.provide(Logger.replace(Logger.defaultLogger, saidInto(said)))
          )
          const other = yield* Effect.provide(SqlTokenStore.backend({ table }), direct)
          const hints = yield* Queue.unbounded<TokenChange>()
          yield* Effect.forkScoped(Stream.runForEach(backend.changes ?? Stream.never, (change) => hints.offer(change)))
          const generation = 1 + (yield* other.load("k")).now
          yield* other.put("k", { expected: undefined, generation, payload: "{}", dueIn: undefined })
          const waits: Array<number> = []
          for (let at = 1; at <= 5; at++) {
            const began = yield* Clock.currentTimeMillis
            yield* other.put("k", {
              ...{ expected: generation + at - 1, generation: generation + at },
              ...{ payload: "{}", dueIn: undefined }
            })
            yield* Effect.repeat(hints.take, {
              until: (hint) => hint.key === "k" && hint.generation === generation + at
            })
            waits.push((yield* Clock.currentTimeMillis) - began)
          }
          // Each wait begins as the one before ends, so that all take as long as the feed does, or longer where the machine is busy.
          assert.isBelow(Math.min(...waits.slice(1)), 2_000)
          assert.strictEqual(said.length, 1)
          assert.include(said[0], "through a pooler")
          // The feed of the other store sends these, which a connection that still listens would be sent too.
          assert.strictEqual(pooler.strays(), 0)
        }).pipe(Effect.scoped)
    )
  },
  [postgres]
)

/** A client of the database at another port. */
const clientOn = ({ url }: Setting, port: number) => {
  const at = new URL(url)
  at.port = String(port)
  return PgClient.layer({ url: Redacted.make(at.href), connectTimeout: "2 seconds" })
}

const saidInto = (lines: Array<string>) => Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
