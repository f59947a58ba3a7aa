import { assert, describe, it } from "@effect/vitest"
import { TokenSet, TokenStore, TokenStoreError } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Fiber, TestClock } from "effect"
import { makeCensus } from "../src/observability/Census.js"

describe("the census", () => {
  it.scoped("counts connections by health, and finds the first end of a refresh token", () =>
    Effect.gen(function* () {
      const store = yield* MemoryTokenStore.make
      const put = (key: string, expiresIn: string, ends?: number) =>
        store.put(
          key,
          TokenSet.make({
            ...{ accessToken: "a", refreshToken: "r", expiresIn: expiresIn as "1 hour" },
            ...(ends === undefined ? {} : { refreshTokenExpiresAt: new Date(ends) })
          }).obtained(0),
          undefined
        )
      yield* put("a", "1 hour")
      yield* put("b", "1 hour", 90 * DAY)
      yield* put("c", "1 hour", 60 * DAY)
      yield* put("d", "1 second")
      const generation = yield* put("dead", "1 hour", DAY)
      yield* store.lease("dead", { owner: "o", known: generation, lasts: 1_000, presents: false, force: false })
      const failure = { by: "refresh", tag: "GrantRejected" } as const
      yield* store.fail("dead", { owner: "o", generation, failure, inDoubt: false, dead: true, retryIn: 0 })
      yield* TestClock.adjust("1 minute")
      const counts = yield* yield* makeCensus(store)
      assert.deepStrictEqual(counts, {
        health: { ok: 3, idle: 1, failing: 0, down: 0, soon: 0, login: 1, unreadable: 0 },
        loginBy: 60 * DAY
      })
    })
  )

  it.scoped("reads many rows page by page with rests between, whoever asks, and answers with what it has", () =>
    Effect.gen(function* () {
      const store = yield* MemoryTokenStore.make
      yield* store.put("key", TokenSet.make({ accessToken: "a", expiresIn: "1 day" }), undefined)
      const kept = yield* store.page({ after: undefined, limit: 1 })
      const rows = Array.from({ length: 1_000 }, (_, at) => `key ${at + 1_000}`).flatMap((key) =>
        kept.map((row) => ({ ...row, key }))
      )
      let pages = 0
      let down = false
      const slow: TokenStore["Type"] = {
        ...store,
        page: ({ after = "", limit }) =>
          Effect.suspend(() => {
            pages++
            return down
              ? new TokenStoreError({ reason: "unreachable" })
              : Effect.as(Effect.sleep("50 millis"), rows.filter(({ key }) => key > after).slice(0, limit))
          })
      }
      const census = yield* makeCensus(slow)
      const ask = Effect.zipLeft(Effect.fork(census), TestClock.adjust("1 second"))
      const [first, second] = [yield* ask, yield* ask]
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [undefined, undefined])
      // Each page takes 50 ms, and each rest ten times as long.
      assert.strictEqual(pages, 4)
      yield* TestClock.adjust("2 seconds")
      const all = yield* Effect.all(Effect.replicate(census, 100))
      assert.isTrue(all.every((counts) => counts?.health.ok === 1_000))
      assert.strictEqual(pages, 6)
      down = true
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* census)?.health.ok, 1_000)
      assert.strictEqual(pages, 7)
    })
  )
})

const DAY = 86_400_000
