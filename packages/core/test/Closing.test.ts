import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  type NoSource,
  type TokenError,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Exit, Fiber, Redacted, Scope, Stream, TestClock } from "effect"

// What a provider does after its end, after it was released, and after the clock went back.

const counting = () => {
  let logins = 0
  const login = Effect.sync(() => TokenSet.make({ accessToken: `token-${++logins}`, expiresIn: "1 day" }))
  return { source: TokenSource.make({ login }), logins: () => logins }
}

describe("P6: after the end of its scope", () => {
  it.effect("a provider answers at once with an error that no retry helps, asks nobody, and its streams end", () =>
    Effect.gen(function* () {
      const { logins, source } = counting()
      const scope = yield* Scope.make()
      const provider = yield* Scope.extend(TokenProvider.make({ key: "k", source }), scope)
      yield* provider.get
      const streams = yield* Effect.fork(
        Effect.all([Stream.runDrain(provider.changes), Stream.runDrain(provider.events)], { concurrency: 2 })
      )
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(streams)
      yield* TestClock.adjust("2 days")
      const tokens = TokenSet.make({ accessToken: "another" })
      for (const call of [provider.get, provider.refresh, provider.put(tokens), provider.forget]) {
        assert.strictEqual((yield* Effect.flip(call))._tag, "ProviderClosed")
      }
      assert.strictEqual(logins(), 1)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )

  it.effect("a pool answers for keys that it never saw, too", () =>
    Effect.gen(function* () {
      const { logins, source } = counting()
      const scope = yield* Scope.make()
      const pool = yield* Scope.extend(TokenProviders.make({ source: () => source }), scope)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(pool.get("new")))._tag, "ProviderClosed")
      assert.strictEqual(logins(), 0)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})

it.effect("P6: the end waits for what a person did before it: a login that is put, a logout", () =>
  Effect.gen(function* () {
    const backend = yield* MemoryTokenStore.backend()
    const done: Array<string> = []
    const slow =
      (name: string) =>
      <A>(does: Effect.Effect<A, unknown>) =>
        Effect.tap(Effect.delay(does, "2 seconds"), () => Effect.sync(() => done.push(name)))
    const store = TokenStore.make({
      ...backend,
      put: (key, row) => slow("put")(backend.put(key, row)),
      remove: (key) => slow("remove")(backend.remove(key))
    })
    const scope = yield* Scope.make()
    const pool = yield* TokenProviders.make({ source: () => counting().source }).pipe(
      Effect.provideService(TokenStore, store),
      Scope.extend(scope)
    )
    const [mine, yours] = [yield* pool.of("mine"), yield* pool.of("yours")]
    const putting = yield* Effect.fork(mine.put(TokenSet.make({ accessToken: "another" })))
    const leaving = yield* Effect.fork(yours.forget)
    yield* TestClock.adjust("1 second")
    const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
    yield* TestClock.adjust("500 millis")
    assert.isNull(closing.unsafePoll())
    assert.strictEqual((yield* Effect.flip(mine.put(TokenSet.make({ accessToken: "late" }))))._tag, "ProviderClosed")
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(closing)
    assert.deepStrictEqual(done.sort(), ["put", "remove"])
    yield* Fiber.join(putting)
    yield* Fiber.join(leaving)
  })
)

it.effect("P6: a lookup under way at the end fails with an error for all who wait for it", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const pool = yield* Scope.extend(TokenProviders.make({ source: () => Effect.never }), scope)
    const asked = yield* Effect.forEach(
      [pool.get("k"), pool.get("k"), Effect.asVoid(pool.of("k"))],
      (call: Effect.Effect<unknown, TokenError | NoSource>) => Effect.fork(Effect.flip(call))
    )
    yield* TestClock.adjust("1 second")
    yield* Scope.close(scope, Exit.void)
    for (const fiber of asked) assert.strictEqual((yield* Fiber.join(fiber))._tag, "ProviderClosed")
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

describe("P10: a handle that is older than its entry", () => {
  it.scoped("hands out nothing after a logout through a newer one, and what is put through it is seen there", () =>
    Effect.gen(function* () {
      const refresh = () => Effect.die("nothing is refreshed here")
      const pool = yield* TokenProviders.make({ source: () => TokenSource.make({ refresh }), idle: "10 minutes" })
      const older = yield* pool.of("k")
      yield* older.put(TokenSet.make({ accessToken: "first", expiresIn: "1 day" }))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* pool.size, 0)
      const newer = yield* pool.of("k")
      assertEquals((yield* newer.get).value, Redacted.make("first"))
      assertEquals((yield* older.get).value, Redacted.make("first"))
      yield* newer.forget
      assert.strictEqual((yield* Effect.flip(older.get))._tag, "ReauthorizationRequired")
      yield* older.put(TokenSet.make({ accessToken: "second", expiresIn: "1 day" }))
      assertEquals((yield* newer.get).value, Redacted.make("second"))
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})

describe("a store that tells of no changes", () => {
  it("starts no timer while a provider listens to it, so that a program ends by itself", async () => {
    const { changes: _, ...backend } = Effect.runSync(MemoryTokenStore.backend())
    const { setInterval } = globalThis
    let timers = 0
    const counted = (...args: Parameters<typeof setInterval>) => {
      timers++
      return setInterval(...args)
    }
    Object.assign(globalThis, { setInterval: counted })
    const listening = Effect.runFork(Stream.runDrain(TokenStore.make(backend).changes))
    await new Promise((resume) => setImmediate(resume))
    Object.assign(globalThis, { setInterval })
    await Effect.runPromise(Fiber.interrupt(listening))
    assert.strictEqual(timers, 0)
  })
})

describe("P7: repairs of refused tokens", () => {
  it.scoped("come back a minute after a clock that went back by two hours", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("10 hours")
      const { logins, source } = counting()
      const provider = yield* TokenProvider.make({ key: "k", source })
      for (let refused = 0; refused < 6; refused++) yield* provider.reject(yield* provider.get)
      yield* provider.get
      assert.strictEqual(logins(), 6)
      yield* TestClock.setTime(8 * 3_600_000)
      yield* provider.reject(yield* provider.get)
      yield* TestClock.adjust("61 seconds")
      yield* provider.reject(yield* provider.get)
      yield* provider.get
      assert.strictEqual(logins(), 7)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})
