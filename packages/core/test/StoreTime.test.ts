import { assert, describe, it } from "@effect/vitest"
import { TokenProvider, TokenProviders, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import type { TokenStoreBackend } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Fiber, Redacted, Scope, TestClock } from "effect"
import { store } from "../../store-memory/test/Settable.js"

describe("the store's clock is set", () => {
  for (const [step, millis] of [
    ["a minute", 60_000],
    ["an hour", 3_600_000]
  ] as const) {
    it.effect(`P9: a process that starts after it was set back by ${step} hands out no token that has ended`, () =>
      Effect.gen(function* () {
        const { backend, setBack } = yield* settable
        yield* TestClock.adjust("1 day")
        const tokens = TokenSet.make({ accessToken: "old", refreshToken: "r", expiresIn: "30 seconds" })
        yield* TokenStore.make(backend).put("k", tokens.obtained(yield* nowOf), undefined)
        yield* TestClock.adjust("31 seconds")
        yield* setBack(millis)
        const token = yield* Effect.scoped(Effect.flatMap(provider(backend), ({ get }) => get))
        assert.strictEqual(Redacted.value(token.value), "new")
      })
    )

    it.effect(`P9: set back by ${step} between a lease and its commit, no end is later than what was granted`, () =>
      Effect.gen(function* () {
        const { backend, setBack } = yield* settable
        yield* TestClock.adjust("1 day")
        const kept = TokenStore.make(backend)
        const first = yield* Effect.flatten(
          kept.lease("k", { owner: "a", known: undefined, lasts: 10_000, presents: false, force: false })
        )
        yield* setBack(millis)
        const tokens = TokenSet.make({ accessToken: "a", expiresIn: "5 minutes" }).obtained(yield* nowOf)
        const { generation } = first
        yield* kept.commit("k", { owner: "a", generation, tokens, dueIn: undefined })
        for (const minutes of [0, 2, 70]) {
          yield* TestClock.adjust(`${minutes} minutes`)
          const end = (yield* Effect.flatten(TokenStore.make(backend).load("k"))).tokens?.expiresAt ?? Infinity
          assert.isAtMost(end, Math.max(yield* nowOf, tokens.expiresAt ?? 0))
        }
      })
    )

    it.effect(`P5: a killed holder's lease delays others by its length, set back by ${step}`, () =>
      Effect.gen(function* () {
        const { backend, setBack } = yield* settable
        yield* TestClock.adjust("1 day")
        const kept = TokenStore.make(backend)
        const tokens = TokenSet.make({ accessToken: "old", refreshToken: "r", expiresIn: "1 second" })
        const known = yield* kept.put("k", tokens.obtained(yield* nowOf), undefined)
        yield* TestClock.adjust("2 seconds")
        yield* kept.lease("k", { owner: "killed", known, lasts: 2_000, presents: false, force: false })
        yield* setBack(millis)
        const scope = yield* Scope.make()
        const asked = yield* Effect.fork(Effect.flatMap(Scope.extend(provider(backend), scope), ({ get }) => get))
        for (let second = 0; second < 5; second++) yield* TestClock.adjust("1 second")
        assert.strictEqual(Redacted.value((yield* Fiber.join(asked)).value), "new")
      })
    )
  }
})

it.effect("P9: a wall clock that goes back while rows are read makes no token seem to last longer", () =>
  Effect.gen(function* () {
    yield* TestClock.adjust("1 day")
    const actual = yield* Effect.clock
    let behind = 0
    const wall = () => actual.unsafeCurrentTimeMillis() - behind
    const nanos = () => actual.unsafeCurrentTimeNanos()
    const local: Clock.Clock = {
      ...{ [Clock.ClockTypeId]: Clock.ClockTypeId, sleep: (duration) => actual.sleep(duration) },
      ...{ unsafeCurrentTimeMillis: wall, currentTimeMillis: Effect.sync(wall) },
      ...{ unsafeCurrentTimeNanos: nanos, currentTimeNanos: Effect.sync(nanos) }
    }
    const backend = yield* MemoryTokenStore.backend()
    const goesBack = <A, E>(read: Effect.Effect<A, E>) =>
      Effect.tap(Effect.withClock(read, actual), () => {
        behind += 7_200_000
      })
    const { lease, load, page } = backend
    const kept = TokenStore.make({
      ...backend,
      load: (key) => goesBack(load(key)),
      lease: (key, request) => goesBack(lease(key, request)),
      page: page && ((request) => goesBack(page(request)))
    })
    const tokens = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "1 hour" })
    const known = yield* TokenStore.make(backend).put("k", tokens.obtained(wall()), undefined)
    const lasts = { owner: "a", known, lasts: 1_000, presents: false, force: false }
    const reads = [
      Effect.flatten(kept.load("k")),
      Effect.flatten(kept.lease("k", lasts)),
      Effect.map(kept.page({ prefix: "", after: undefined, limit: 1 }), ([listed]) => listed?.record)
    ]
    yield* TestClock.adjust("2 seconds")
    for (const read of reads) {
      const row = yield* Effect.withClock(read, local)
      assert.isAtMost((row?.tokens?.expiresAt ?? Number.POSITIVE_INFINITY) - wall(), 3_598_000)
    }
  })
)

describe("numbers and text of a row", () => {
  it.effect("P9: an end at or before 1970 stays an end", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      for (const expiresAt of [1, 0, -1_000]) {
        const payload = `{"accessToken":"a","tokenType":"Bearer","extra":{},"expiresAt":${expiresAt}}`
        yield* backend.put("k", { expected: undefined, generation: 9, payload, dueIn: undefined })
        yield* TestClock.adjust("1 second")
        const { tokens } = yield* Effect.flatten(TokenStore.make(backend).load("k"))
        assert.isAtMost(tokens?.expiresAt ?? Infinity, yield* nowOf)
        yield* backend.remove("k")
      }
    })
  )

  it.effect("an end that is no number is a corrupt row, and no other number that is none gets past the store", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const payload = '{"accessToken":"a","tokenType":"Bearer","extra":{},"expiresAt":1e999}'
      yield* backend.put("k", { expected: undefined, generation: 9, payload, dueIn: undefined })
      assert.strictEqual((yield* Effect.flip(TokenStore.make(backend).load("k"))).reason, "corrupt")
      const instants = { leaseUntil: NaN, intentAt: Infinity, dueAt: -Infinity, retryAt: NaN, failedAt: NaN }
      const broken: TokenStoreBackend = {
        ...backend,
        load: (key) =>
          Effect.map(backend.load(key), ({ row, ...rest }) => ({
            ...rest,
            row: row && { ...row, ...instants, payload: undefined, failures: NaN, claims: -1 }
          }))
      }
      const record = yield* Effect.flatten(TokenStore.make(broken).load("k"))
      const { claims, dueAt, failedAt, failures, intentAt, leaseUntil, retryAt } = record
      assert.deepStrictEqual(
        [dueAt, failedAt, intentAt, leaseUntil, retryAt],
        Array.from({ length: 5 }, () => undefined)
      )
      assert.deepStrictEqual([claims, failures], [0, 0])
      const noClock = { ...backend, load: () => Effect.succeed({ now: NaN, row: undefined }) }
      assert.strictEqual((yield* Effect.flip(TokenStore.make(noClock).load("k"))).reason, "corrupt")
    })
  )

  it.effect("no wait that is no number is written: never due, tried again in a while, no lease", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const kept = TokenStore.make(backend)
      const generation = yield* kept.put("k", TokenSet.make({ accessToken: "a" }), NaN)
      const request = { owner: "a", known: generation, presents: false, force: false }
      for (const lasts of [NaN, Infinity, -1]) {
        assert.strictEqual((yield* Effect.flip(kept.lease("k", { ...request, lasts }))).reason, "unreachable")
        assert.strictEqual((yield* Effect.flip(kept.due({ limit: 1, lasts }))).reason, "unreachable")
        assert.strictEqual((yield* Effect.flip(kept.renew("k", "a", lasts))).reason, "unreachable")
      }
      for (const retryIn of [NaN, Infinity, -1]) {
        yield* kept.lease("k", { ...request, lasts: 1_000 })
        const failure = { by: "refresh", tag: "TokenEndpointError" } as const
        assert.isTrue(yield* kept.fail("k", { owner: "a", generation, failure, inDoubt: false, dead: false, retryIn }))
        const row = yield* Effect.flatten(kept.load("k"))
        const wait = (row.retryAt ?? NaN) - (row.failedAt ?? NaN)
        assert.strictEqual(wait, retryIn === -1 ? 0 : 30_000)
        assert.isUndefined(row.dueAt)
        yield* TestClock.adjust("1 minute")
      }
    })
  )

  it.effect("tokens and failures fit a column of any character set, whatever a server puts into them (P4)", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const kept = TokenStore.make(backend)
      const extra = { name: "株式会社 ✓ 🔑 \u0000 \ud800 é \u007f" }
      const generation = yield* kept.put("k", TokenSet.make({ accessToken: "a", extra }), undefined)
      yield* kept.lease("k", { owner: "a", known: generation, lasts: 1_000, presents: true, force: false })
      const failure = {
        by: "refresh",
        tag: "ClientRejected",
        code: "é".repeat(5_000),
        status: NaN,
        detail: "✓\ud800"
      } as const
      const result = { owner: "a", generation, failure, inDoubt: false, dead: false, retryIn: 0 }
      assert.isTrue(yield* kept.fail("k", result))
      const { row } = yield* backend.load("k")
      assert.match(`${row?.payload}${row?.failure}`, /^[\x20-\x7e]+$/)
      const record = yield* Effect.flatten(kept.load("k"))
      assert.deepStrictEqual(record.tokens?.extra, extra)
      assert.strictEqual(record.failure?.tag, "ClientRejected")
      assert.strictEqual(record.failure?.detail, "✓\ud800")
      assert.isUndefined(record.intentAt)
    })
  )
})

describe("rows that nobody can help", () => {
  it.effect("demand through get still helps a row that rests", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const kept = TokenStore.make(backend)
      const tokens = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "1 second" })
      yield* kept.put("k", tokens.obtained(yield* nowOf), 0)
      for (let claim = 0; claim < 5; claim++) {
        yield* TestClock.adjust("20 minutes")
        assert.strictEqual((yield* kept.due({ limit: 1, lasts: 10_000 })).length, 1)
      }
      const source = yield* TokenSource.make({ refresh: () => Effect.succeed(TokenSet.make({ accessToken: "new" })) })
      const token = yield* TokenProviders.make({ source: () => Effect.succeed(source) }).pipe(
        Effect.flatMap((providers) => providers.get("k")),
        Effect.provideService(TokenStore, kept),
        Effect.scoped
      )
      assert.strictEqual(Redacted.value(token.value), "new")
      assert.strictEqual((yield* Effect.flatten(kept.load("k"))).claims, 0)
    })
  )
})

const nowOf = Effect.clockWith((clock) => clock.currentTimeMillis)

const settable = Effect.map(store, ({ backend, setBack = () => Effect.void }) => ({ backend, setBack }))

const provider = (backend: TokenStoreBackend) =>
  TokenProvider.make({
    key: "k",
    source: TokenSource.make({
      refresh: () => Effect.succeed(TokenSet.make({ accessToken: "new", refreshToken: "r", expiresIn: "1 hour" }))
    })
  }).pipe(Effect.provideService(TokenStore, TokenStore.make(backend)))
