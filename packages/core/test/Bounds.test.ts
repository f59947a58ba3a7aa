import { assert, describe, it } from "@effect/vitest"
import {
  RefreshPolicy,
  type SourceError,
  TokenEndpointError,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Exit, Fiber, Redacted, Schedule, TestClock } from "effect"
import { DueQueue } from "../src/provider/DueQueue.js"
import { presented } from "./support/Around.js"
import { settable } from "./support/Clock.js"
import { harmable } from "./support/Store.js"

// What has no end, or too many of it, elsewhere.

describe("P6: a statement that hangs and cannot be interrupted", () => {
  for (const operation of ["load", "lease", "renew", "commit", "fail", "put", "remove"] as const) {
    it.scoped(`${operation}: callers are answered in time, and the key is well again when the store is`, () =>
      Effect.gen(function* () {
        const server = FakeTokenSource.make({ canLogin: false, expiresIn: "10 seconds" })
        const { harm, heal, store } = yield* harmable()
        const source = server.source
        const pool = yield* TokenProviders.make({ source: () => source }).pipe(Effect.provideService(TokenStore, store))
        const provider = yield* pool.of("k")
        yield* provider.put(server.login())
        harm((at, _, does) => (at === operation ? Effect.uninterruptible(Effect.never) : does))
        yield* TestClock.adjust("11 seconds")
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [provider.get, provider.refresh, provider.status]
        const asked = yield* Effect.forEach(calls, (call) => Effect.forkDaemon(Effect.exit(call)))
        const others = operation === "put" ? provider.put(server.login()) : provider.forget
        if (operation === "put" || operation === "remove") asked.push(yield* Effect.forkDaemon(Effect.exit(others)))
        for (let second = 0; second < 50; second++) yield* TestClock.adjust("1 second")
        for (const fiber of asked) assert.isNotNull(fiber.unsafePoll(), "not answered")
        heal()
        const putting = yield* Effect.fork(provider.put(server.login()))
        for (let second = 0; second < 25; second++) yield* TestClock.adjust("1 second")
        yield* Fiber.join(putting)
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(provider.get)))
      })
    )
  }

  it.scoped("a holder whose commit hung saves once the store is back, with nothing presented twice", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "10 seconds" })
      const { harm, heal, store } = yield* harmable()
      const provider = yield* TokenProvider.make({ key: "k", source: server.source }).pipe(
        Effect.provideService(TokenStore, store)
      )
      yield* provider.put(server.login())
      harm((at, _, does) => (at === "commit" ? Effect.uninterruptible(Effect.never) : does))
      for (let second = 0; second < 40; second++) yield* TestClock.adjust("1 second")
      heal()
      for (let second = 0; second < 40; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(server.reuses(), 0)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(provider.get)))
    })
  )
})

it.scoped(
  "P6: one that waits for a row that it is neither given nor refused gives up in time, although the clock goes back",
  () =>
    settable(
      Effect.fnUntraced(function* (set) {
        const server = FakeTokenSource.make({ canLogin: false, expiresIn: "10 seconds" })
        const backend = yield* MemoryTokenStore.backend()
        let looks = 0
        // Nobody has the lease, and nobody gets it.
        const lease: typeof backend.lease = (key) =>
          Effect.zipRight(
            Effect.sync(() => looks++),
            backend.load(key)
          )
        const policy = RefreshPolicy.make({ ahead: Schedule.stop })
        const provider = yield* TokenProvider.make({ key: "k", source: server.source, policy }).pipe(
          Effect.provideService(TokenStore, TokenStore.make({ ...backend, lease }))
        )
        yield* provider.put(server.login())
        yield* TestClock.adjust("11 seconds")
        const asked = yield* Effect.fork(Effect.exit(provider.get))
        yield* TestClock.adjust("5 seconds")
        yield* set(-3 * 3_600_000)
        for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
        assert.isNotNull(asked.unsafePoll(), "not answered")
        // Nor does anything go on to look after that, with nobody waiting.
        const before = looks
        for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
        assert.strictEqual(looks, before)
      })
    )
)

describe("P6: a schedule of the policy that does not end", () => {
  const hangs = Schedule.makeWithState<null, unknown, null>(null, () => Effect.uninterruptible(Effect.never))

  it.scoped("ahead: what came back is served and saved, and renewed by the default", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const policy = RefreshPolicy.make({ ahead: hangs })
      const backend = yield* MemoryTokenStore.backend()
      const provider = yield* TokenProvider.make({ key: "k", source: server.source, policy }).pipe(
        Effect.provideService(TokenStore, TokenStore.make(backend))
      )
      const putting = yield* Effect.forkDaemon(provider.put(server.login()))
      for (let second = 0; second < 20; second++) yield* TestClock.adjust("1 second")
      assert.isNotNull(putting.unsafePoll(), "not put")
      const asked = yield* Effect.forkDaemon(provider.refresh)
      for (let second = 0; second < 20; second++) yield* TestClock.adjust("1 second")
      assert.isNotNull(asked.unsafePoll(), "not answered")
      assert.strictEqual(Redacted.value((yield* Fiber.join(asked)).value), "access-2")
      assert.isDefined((yield* backend.load("k")).row?.dueAt)
      for (let minute = 0; minute < 60; minute++) yield* TestClock.adjust("1 minute")
      assert.strictEqual(Redacted.value((yield* provider.get).value), "access-3")
      assert.deepStrictEqual(presented(server), ["refresh-1", "refresh-2"])
    })
  )

  it.scoped("retry: the failure is told, and a later attempt works", () =>
    Effect.gen(function* () {
      let down = true
      const login = Effect.suspend(
        (): Effect.Effect<TokenSet, SourceError> =>
          down
            ? new TokenEndpointError({ reason: "unavailable" })
            : Effect.succeed(TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }))
      )
      const policy = RefreshPolicy.make({ retry: hangs, wait: "20 seconds" })
      const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }), policy })
      const asked = yield* Effect.fork(Effect.flip(provider.get))
      for (let second = 0; second < 25; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(asked))._tag, "TokenEndpointError")
      down = false
      for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(Redacted.value((yield* provider.get).value), "a")
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})

describe("P8: a time to wait that is no time", () => {
  for (const retryAfter of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5_000, 1e300]) {
    it.scoped(`retryAfter: ${retryAfter} neither ends a key nor floods the endpoint`, () =>
      Effect.gen(function* () {
        let posts = 0
        let broken = true
        const login = Effect.suspend((): Effect.Effect<TokenSet, SourceError> => {
          posts++
          return broken
            ? new TokenEndpointError({ reason: "throttled", retryAfter })
            : Effect.succeed(TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }))
        })
        const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }) })
        for (let tenth = 0; tenth < 100; tenth++) {
          yield* Effect.fork(Effect.exit(provider.get))
          yield* TestClock.adjust("100 millis")
        }
        assert.isAtLeast(posts, 1)
        assert.isAtMost(posts, 10)
        broken = false
        yield* TestClock.adjust(retryAfter === 1e300 ? "25 hours" : "6 minutes")
        const asked = yield* Effect.fork(provider.get)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(Redacted.value((yield* Fiber.join(asked)).value), "a")
      }).pipe(Effect.provide(MemoryTokenStore.layer))
    )
  }
})

describe("P9: a row in doubt whose token still holds", () => {
  it.scoped("keeps no worker waiting until that ends, and serves who asks", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false })
      const backend = yield* MemoryTokenStore.backend()
      const store = TokenStore.make(backend)
      const source = server.source
      const tokens = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "25 seconds" })
      const known = yield* store.put("k", tokens.obtained(yield* Clock.currentTimeMillis), 0)
      yield* store.lease("k", { owner: "killed", known, lasts: 1, presents: true, force: false })
      yield* TestClock.adjust("10 millis")
      const pool = yield* TokenProviders.make({ source: () => source }).pipe(Effect.provideService(TokenStore, store))
      const renewing = yield* Effect.fork(Effect.flip(pool.renew("k", known)))
      yield* TestClock.adjust("1 second")
      assert.isNotNull(renewing.unsafePoll())
      assert.strictEqual(server.posts(), 0)
      assert.strictEqual(Redacted.value((yield* pool.get("k")).value), "a")
    })
  )
})

it.scoped(
  "P1: a doubt of a clock that was set back since is of any age: it opens no window to present the token again",
  () =>
    settable(
      Effect.fnUntraced(function* (set) {
        let posts = 0
        const refresh = () =>
          Effect.zipRight(
            Effect.sync(() => posts++),
            Effect.succeed(TokenSet.make({ accessToken: "b" }))
          )
        const store = TokenStore.make(yield* MemoryTokenStore.backend())
        const tokens = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "1 day" })
        const known = yield* store.put("k", tokens.obtained(yield* Clock.currentTimeMillis), 0)
        yield* store.lease("k", { owner: "killed", known, lasts: 1, presents: true, force: false })
        yield* TestClock.adjust("1 second")
        yield* set(-3_600_000)
        const source = TokenSource.make({ refresh, replay: "never", replayWindow: "1 minute" })
        const provider = yield* Effect.provideService(TokenProvider.make({ key: "k", source }), TokenStore, store)
        const asked = yield* Effect.fork(Effect.exit(provider.refresh))
        for (let second = 0; second < 20; second++) yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(asked)
        assert.strictEqual(posts, 0)
      })
    )
)

describe("P9: renewals that succeed", () => {
  it.scoped("do not follow each other without a rest, however soon each token ends", () =>
    Effect.gen(function* () {
      let posts = 0
      const refresh = (): Effect.Effect<TokenSet, SourceError> =>
        Effect.suspend(() =>
          posts > 100
            ? Effect.never
            : Effect.succeed(TokenSet.make({ accessToken: `a${++posts}`, refreshToken: "r", expiresIn: "40 millis" }))
        )
      const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ refresh }) })
      yield* provider.put(TokenSet.make({ refreshToken: "r" }))
      yield* provider.get
      for (let tenth = 0; tenth < 200; tenth++) yield* TestClock.adjust("100 millis")
      assert.isAtMost(posts, 11)
      // Who asks gets one at once.
      yield* TestClock.adjust("50 millis")
      const before = posts
      assert.strictEqual(Redacted.value((yield* provider.get).value), `a${before + 1}`)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})

describe("P8: what is cancelled is gone", () => {
  it("a queue keeps no more than twice what counts, and hands that out in order", () => {
    const queue = new DueQueue<{ dueAt: number; name: number }>()
    const items = Array.from({ length: 2_000 }, (_, name) => ({ dueAt: Number.POSITIVE_INFINITY, name }))
    for (let round = 0; round < 20; round++) {
      for (const item of items) queue.put(item, 1_000_000 + ((item.name * 7_919 + round * 31) % 5_003))
    }
    assert.isAtMost(held(queue), 4_001)
    for (const item of items) if (item.name % 100 !== 0) queue.put(item, Number.POSITIVE_INFINITY)
    assert.isAtMost(held(queue), 64)
    const order: Array<number> = []
    for (let item = queue.take(2_000_000); item !== undefined; item = queue.take(2_000_000)) {
      order.push(1_000_000 + ((item.name * 7_919 + 19 * 31) % 5_003))
    }
    assert.lengthOf(order, 20)
    assert.deepStrictEqual(
      order,
      [...order].sort((a, b) => a - b)
    )
  })
})

const held = (queue: object): number => Reflect.get(queue, "heap").length
