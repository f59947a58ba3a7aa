import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { ConfigProvider, Effect, Fiber, Layer, Option, Random, Redacted, TestClock } from "effect"
import { inject } from "vitest"
import { robot, startBackend } from "../far-sides/backend.js"
import { policy, Source } from "../stories/4-shared-table.js"
import { tellStory } from "./tellStory.js"

describe("a table, a worker, a service, a consumer", () => {
  const databases = {
    SQLite: Effect.succeed({}),
    PostgreSQL: Effect.promise(async () => ({ DATABASE_URL: await (await fetch(inject("postgres"))).text() }))
  }
  for (const [name, settings] of Object.entries(databases)) {
    it.live(
      `the story runs on ${name}, and the far side's log says what it should`,
      () =>
        Effect.gen(function* () {
          const { code, text } = yield* tellStory(4, yield* settings)
          assert.strictEqual(code, 0, text)
          assert.match(text, /logins for five consumers +1 +1 {2}✓/)
          assert.match(text, /refreshes by two workers +1 +1 {2}✓/)
          assert.match(text, /logins, so that the consumer has its token +1 +1 {2}✓/)
          assert.notInclude(text, "✗")
        }),
      600_000
    )
  }

  it.scoped("a token of 12 hours is renewed with one hour left, not before and not after", () =>
    Effect.gen(function* () {
      let refreshes = 0
      const tokens = () =>
        TokenSet.make({ accessToken: `access-${refreshes}`, refreshToken: "r", expiresIn: "12 hours" })
      const refresh = () =>
        Effect.sync(() => {
          refreshes++
          return tokens()
        })
      const source = TokenSource.make({ login: Effect.sync(tokens), refresh })
      const { get } = yield* TokenProvider.make({ key: "robot", source, policy })
      yield* get
      yield* TestClock.adjust("659 minutes")
      assert.strictEqual(refreshes, 0)
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(refreshes, 1)
    }).pipe(
      Effect.provide(MemoryTokenStore.layer),
      // Renewals are spread over a tenth of their wait; here, not at all.
      Effect.withRandom(Random.fixed([1]))
    )
  )

  it.scopedLive("the answer of 201 is kept as it is for who needs it, and a refused refresh is a login", () =>
    Effect.gen(function* () {
      const far = yield* startBackend
      const settings = new Map(Object.entries({ ...robot, BACKEND_URL: far.url }))
      const { get, refresh } = yield* TokenProvider.make({ key: "robot", source: Source, policy }).pipe(
        Effect.provide(Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer)),
        Effect.withConfigProvider(ConfigProvider.fromMap(settings))
      )
      const first = yield* get
      assertEquals(first.value, Redacted.make("access-1"))
      assert.deepInclude(first.extra, { "authorization.note": "for the API", "refresh.note": "for /refresh, once" })
      assert.strictEqual(Date.parse(`${first.extra["authorization.expiresAt"]}`) - (first.expiresAt ?? 0) < 5_000, true)
      assertEquals((yield* refresh).value, Redacted.make("access-2"))
      far.endSessions()
      assertEquals((yield* refresh).value, Redacted.make("access-3"))
      assert.deepStrictEqual(
        far.log.map(({ status, what }) => `${what} ${status}`),
        ["POST /login 201", "POST /refresh 201", "POST /refresh 401", "POST /login 201"]
      )
    })
  )

  it.scopedLive("consumers that come while a token is fetched are woken by it, and ask nobody", () =>
    Effect.gen(function* () {
      const far = yield* startBackend
      const settings = new Map(Object.entries({ ...robot, BACKEND_URL: far.url }))
      const { get, refresh } = yield* TokenProvider.make({ key: "robot", source: Source, policy }).pipe(
        Effect.provide(Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer)),
        Effect.withConfigProvider(ConfigProvider.fromMap(settings))
      )
      yield* get
      const release = far.hold()
      const waiting = yield* Effect.fork(Effect.all([refresh, refresh, refresh], { concurrency: "unbounded" }))
      yield* far.held
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      release()
      for (const { value } of yield* Fiber.join(waiting)) assertEquals(value, Redacted.make("access-2"))
      assert.lengthOf(far.log, 2)
    })
  )
})
