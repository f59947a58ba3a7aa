import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { ConfigProvider, Effect, Fiber, Layer, Random, Redacted, TestClock } from "effect"
import { count } from "../far-sides/FarSide.js"
import { type Trouble, warmInProcess } from "../far-sides/warm.js"
import { makeWarm, policy } from "../stories/2-always-warm.js"
import { makeAlwaysWarm } from "./old/AlwaysWarm.js"

describe("a token that is always warm", () => {
  it.scoped("a token of 30 minutes is renewed after 25, by the new program as by the old one", () =>
    Effect.gen(function* () {
      for (const make of [makeNew, makeOld]) {
        const { get, log } = yield* make()
        assert.deepStrictEqual([yield* get, log.length], ["token-1", 1])
        yield* TestClock.adjust("1499 seconds")
        assert.deepStrictEqual([yield* get, log.length], ["token-1", 1])
        yield* TestClock.adjust("1 seconds")
        assert.deepStrictEqual([yield* get, log.length], ["token-2", 2])
      }
    }).pipe(unspread)
  )

  it.scoped("a renewal that fails is tried again each 5 seconds, and nobody sees it", () =>
    Effect.gen(function* () {
      for (const make of [makeNew, makeOld]) {
        const { get, log } = yield* make([{ from: minutes(25), to: minutes(26), does: "fails" }])
        assert.strictEqual(yield* get, "token-1")
        for (let tries = 1; tries <= 12; tries++) {
          yield* TestClock.adjust(tries === 1 ? "25 minutes" : "5 seconds")
          assert.deepStrictEqual([yield* get, count(log, "POST /", 503)], ["token-1", tries])
        }
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual([yield* get, log.length], ["token-2", 14])
      }
    }).pipe(unspread)
  )

  it.scoped("a renewal that takes 8 seconds holds up nobody", () =>
    Effect.gen(function* () {
      const { get } = yield* makeNew([{ from: minutes(25), to: minutes(26), does: "is slow", takes: 8_000 }])
      yield* get
      yield* TestClock.adjust("25 minutes")
      assert.strictEqual(yield* get, "token-1")
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* get, "token-2")
    }).pipe(unspread)
  )

  it.scoped("a token that has ended is given to nobody, however long the endpoint is down", () =>
    Effect.gen(function* () {
      const { get } = yield* makeNew([{ from: minutes(25), to: minutes(30) + 40_000, does: "fails" }])
      yield* get
      yield* TestClock.adjust("1799 seconds")
      assert.strictEqual(yield* get, "token-1")
      yield* TestClock.adjust("1 seconds")
      const waiting = yield* Effect.fork(Effect.flip(get))
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "TokenEndpointError", status: 503 })
      const healed = yield* Effect.fork(get)
      yield* TestClock.setTime(minutes(30) + 45_000)
      assert.strictEqual(yield* Fiber.join(healed), "token-2")
    }).pipe(unspread)
  )

  it.scoped("ten callers at the first token ask once; the old program asked ten times, one after another", () =>
    Effect.gen(function* () {
      for (const [make, posts] of [
        [makeNew, 1],
        [makeOld, 10]
      ] as const) {
        const { get, log } = yield* make()
        yield* Effect.all(
          Array.from({ length: 10 }, () => get),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(log, posts)
      }
    }).pipe(unspread)
  )
})

// Renewals are spread over a tenth of their wait; here, not at all.
const unspread = Effect.withRandom(Random.fixed([1]))

const minutes = (count: number) => count * 60_000

const makeNew = (troubles: ReadonlyArray<Trouble> = []) =>
  Effect.gen(function* () {
    const far = yield* warmInProcess(minutes(30), troubles)
    const settings = new Map(Object.entries({ TOKEN_URL: far.url, CLIENT_ID: "warm", CLIENT_SECRET: "warm-secret" }))
    const { get } = yield* makeWarm(policy).pipe(
      Effect.provide(Layer.merge(far.layer, MemoryTokenStore.layer)),
      Effect.withConfigProvider(ConfigProvider.fromMap(settings))
    )
    return { log: far.log, get: Effect.map(get, ({ value }) => Redacted.value(value)) }
  })

const makeOld = (troubles: ReadonlyArray<Trouble> = []) =>
  Effect.gen(function* () {
    const far = yield* warmInProcess(minutes(30), troubles)
    const fetch = Effect.gen(function* () {
      const response = yield* HttpClient.post(far.url)
      const { access_token: token } = (yield* response.json) as { readonly access_token?: string }
      if (token === undefined) return yield* Effect.fail("no token")
      return { token, endsAt: (yield* Effect.clock).unsafeCurrentTimeMillis() + minutes(30) }
    })
    return { log: far.log, get: (yield* makeAlwaysWarm(Effect.provide(fetch, far.layer))).get }
  })
