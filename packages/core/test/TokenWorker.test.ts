import { assert, describe, it } from "@effect/vitest"
import {
  GrantRejected,
  RefreshPolicy,
  TokenEndpointError,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore,
  TokenStoreError,
  TokenWorker
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Chunk, Data, Effect, Equal, Fiber, Logger, Option, Redacted, type Scope, Stream, TestClock } from "effect"

describe("TokenWorker", () => {
  holds("keeps fresh what nobody asks for, without one POST too many", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 10)
      yield* TokenWorker.make({ source: server.source, policy, every: "1 minute" })
      for (let minute = 0; minute < 120; minute++) yield* TestClock.adjust("1 minute")
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      for (const row of yield* server.rows) assert.isAbove(row.tokens?.expiresAt ?? 0, now)
      assert.strictEqual(server.alarms(), 0)
      assert.isAtLeast(server.posts(), 20)
      assert.isAtMost(server.posts(), 30)
    })
  )

  holds("P1: two workers and a provider on one store cost one POST for each renewal", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 10)
      yield* TestClock.adjust("48 minutes")
      yield* TokenWorker.make({ source: server.source, policy, every: "30 seconds" })
      yield* TokenWorker.make({ source: server.source, policy, every: "30 seconds" })
      const provider = yield* TokenProvider.make({ key: "key-0", source: server.source("key-0"), policy })
      yield* provider.get
      for (let minute = 0; minute < 10; minute++) yield* TestClock.adjust("1 minute")
      assert.strictEqual(server.alarms(), 0)
      assert.strictEqual(server.posts(), 10)
    })
  )

  holds("runOnce renews what is due and says what became of it", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 5)
      yield* TestClock.adjust("58 minutes")
      server.fail("key-1", new GrantRejected({ code: "invalid_grant" }))
      server.fail("key-2", new TokenEndpointError({ reason: "unavailable", status: 503 }))
      const running = yield* Effect.fork(
        TokenWorker.runOnce({
          source: server.source,
          policy: RefreshPolicy.make({ wait: "3 seconds" }),
          concurrency: 2
        })
      )
      yield* seconds(8)
      const summary = yield* Fiber.join(running)
      assert.strictEqual(summary.renewed, 3)
      assert.deepStrictEqual([...summary.dead], ["key-1"])
      assert.deepStrictEqual(summary.failed, { TokenEndpointError: 1 })
      assert.match(`${summary}`, /^renewed 3, adopted 0, failed 1 \(1 TokenEndpointError\), need a login now 1, soon 0/)
    })
  )

  holds("P8: a dead grant is asked for once and then left alone", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 1)
      server.fail("key-0", new GrantRejected({ code: "invalid_grant" }))
      for (let hour = 0; hour < 24; hour++) {
        yield* TestClock.adjust("1 hour")
        yield* TokenWorker.runOnce({ source: server.source, policy })
      }
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("keeps the keys that need a login without copying them at each death, until somebody logs in or out", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      const worked: Array<number> = []
      for (const count of [40, 160]) {
        const keys = Array.from({ length: count }, (_, at) => `key-${at}`)
        const work = Effect.gen(function* () {
          yield* seed(server, count)
          for (const key of keys) server.fail(key, new GrantRejected({ code: "invalid_grant" }))
          const options = { source: server.source, policy, every: "20 minutes", concurrency: 1_000 } as const
          const { summary } = yield* TokenWorker.make(options)
          const before = added
          for (let times = 0; times < 6; times++) yield* TestClock.adjust("20 minutes")
          worked.push(added - before)
          assert.strictEqual((yield* summary).dead.size, count)
          server.heal()
          yield* seed(server, count)
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* summary).dead.size, 0)
        })
        yield* Effect.scoped(work)
      }
      const [few = 0, many = 0] = worked
      assert.isAtMost(many, 6 * few)
    }).pipe(counting)
  )

  holds("P8: a cycle that fails, a lookup that throws and a store that is down never end the loop", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 3)
      const store = yield* TokenStore
      let down = true
      let dies = true
      const flaky: TokenStore["Type"] = {
        ...store,
        due: (claim) =>
          down ? new TokenStoreError({ reason: "unreachable" }) : dies ? Effect.die("a bug") : store.due(claim)
      }
      yield* Effect.provideService(TokenWorker.make({ source: server.source, policy }), TokenStore, flaky)
      yield* TestClock.adjust("58 minutes")
      down = false
      yield* seconds(10)
      dies = false
      assert.strictEqual(server.posts(), 0)
      yield* seconds(10)
      assert.strictEqual(server.posts(), 3)
    })
  )

  holds("a key whose source cannot be found is reported, and delays no other", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 4)
      yield* TestClock.adjust("58 minutes")
      const summary = yield* TokenWorker.runOnce({
        source: (key) =>
          Effect.gen(function* () {
            if (key === "key-0") return yield* new Unknown()
            return yield* server.source(key)
          }),
        policy,
        concurrency: 1
      })
      assert.deepStrictEqual(summary.failed, { NoSource: 1 })
      assert.strictEqual(summary.renewed, 3)
    })
  )

  holds("a key that has no source any more is told of once, left as it is, and renewed again once it has one", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 3)
      yield* TestClock.adjust("58 minutes")
      const store = yield* TokenStore
      const before = yield* Effect.flatten(store.load("key-0"))
      const told: Array<unknown> = []
      let lookups = 0
      let declared = false
      yield* TokenWorker.make({
        source: (key) =>
          Effect.gen(function* () {
            if (key !== "key-0" || declared) return yield* server.source(key)
            lookups++
            return yield* new Unknown()
          }),
        policy,
        concurrency: 1,
        every: "2 minutes"
      }).pipe(
        Effect.provide(
          Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => void told.push(message))
          )
        )
      )
      for (let minute = 0; minute < 4 * 60; minute += 5) yield* TestClock.adjust("5 minutes")
      assert.isAtMost(lookups, 24)
      assert.deepStrictEqual(told.map(String), [
        'There is no source of tokens for "key-0": Unknown. It is not renewed; its row stays as it is'
      ])
      const { claims, dueAt: _, scheduledAt: _s, ...row } = yield* Effect.flatten(store.load("key-0"))
      const { claims: _c, dueAt: __, scheduledAt: __s, ...was } = before
      assert.strictEqual(claims, lookups)
      assert.isTrue(Equal.equals(row.tokens?.refreshToken, was.tokens?.refreshToken))
      assert.deepStrictEqual({ ...row, tokens: undefined }, { ...was, tokens: undefined })
      assert.isAtLeast(server.posts(), 2 * 4)
      declared = true
      for (let minute = 0; minute < 65; minute += 5) yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Effect.flatten(store.load("key-0"))).generation, row.generation + 1)
    })
  )

  holds("any number of keys without a source hold up no other", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 100)
      yield* TestClock.adjust("58 minutes")
      yield* TokenWorker.make({
        source: (key) =>
          Effect.gen(function* () {
            return yield* key === "key-99" ? server.source(key) : new Unknown()
          }),
        policy,
        every: "5 seconds"
      })
      yield* seconds(5)
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("a slow endpoint does not hold up the keys of others", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 20)
      for (let at = 0; at < 10; at++) server.hang(`key-${at}`)
      yield* TestClock.adjust("58 minutes")
      yield* TokenWorker.make({
        source: server.source,
        policy: RefreshPolicy.make({ wait: "1 second" }),
        concurrency: 4
      })
      yield* seconds(9)
      assert.strictEqual(server.posts(), 20)
    })
  )

  holds("P5: what a killed worker had claimed, another renews one claim later", () =>
    Effect.gen(function* () {
      const server = fakeServer()
      yield* seed(server, 3)
      yield* TestClock.adjust("58 minutes")
      const store = yield* TokenStore
      assert.strictEqual((yield* store.due({ limit: 100, lasts: 10_000 })).length, 3)
      yield* TokenWorker.make({ source: server.source, policy, every: "1 second" })
      yield* seconds(8)
      assert.strictEqual(server.posts(), 0)
      yield* seconds(5)
      assert.strictEqual(server.posts(), 3)
    })
  )

  holds("keeps an idle grant alive by the source's own measure, though its access token still holds", () =>
    Effect.gen(function* () {
      const server = fakeServer({ lives: "90 days", keepAlive: "7 days" })
      yield* seed(server, 1)
      yield* days(30, TokenWorker.runOnce({ source: server.source, policy }))
      assert.strictEqual(server.posts(), 4)
    })
  )

  holds("renews before a refresh token ends, though nobody says how long the access token lives", () =>
    Effect.gen(function* () {
      const server = fakeServer({ lives: undefined, refreshLives: "10 days" })
      yield* seed(server, 1)
      yield* days(40, TokenWorker.runOnce({ source: server.source, policy }))
      assert.strictEqual(server.posts(), 4)
      assert.strictEqual(server.alarms(), 0)
    })
  )

  holds("warns at each lead time before a refresh token ends for good, once, and says so in each summary", () =>
    Effect.gen(function* () {
      const server = fakeServer({ lives: "1 hour", endsAfter: "30 days" })
      yield* seed(server, 1)
      const heard: Array<number> = []
      const soon: Array<number> = []
      for (let day = 1; day < 30; day++) {
        yield* TestClock.adjust("1 day")
        yield* warnings(server).pipe(Effect.map((told) => told > 0 && heard.push(day)))
        yield* TestClock.adjust("1 hour")
        const summary = yield* TokenWorker.runOnce({ source: server.source, policy })
        if (summary.soon.has("key-0")) soon.push(day)
      }
      assert.deepStrictEqual(heard, [23, 28])
      assert.deepStrictEqual(soon, [23, 24, 25, 26, 27, 28, 29])
    })
  )

  holds("a refresh token whose end moves with each use warns nobody", () =>
    Effect.gen(function* () {
      const server = fakeServer({ refreshLives: "10 days" })
      yield* seed(server, 1)
      for (let hour = 0; hour < 20; hour++) {
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* warnings(server), 0)
      }
      assert.strictEqual(server.posts(), 20)
    })
  )
})

class Unknown extends Data.TaggedError("Unknown") {}

const policy = RefreshPolicy.make()

interface Behaviour {
  readonly lives?: "1 hour" | "90 days" | undefined
  readonly keepAlive?: "7 days"
  readonly refreshLives?: "10 days" | "1 day"
  readonly endsAfter?: "30 days"
}

/** An authorization server that rotates refresh tokens and revokes a grant whose old one comes back. */
const fakeServer = (behaviour: Behaviour = {}) => {
  const { endsAfter, keepAlive, refreshLives } = behaviour
  const lives = "lives" in behaviour ? behaviour.lives : "1 hour"
  const live = new Map<string, number>()
  const failures = new Map<string, GrantRejected | TokenEndpointError>()
  const hanging = new Set<string>()
  let posts = 0
  let alarms = 0
  const mint = (key: string) => {
    const number = (live.get(key) ?? 0) + 1
    live.set(key, number)
    return TokenSet.make({
      accessToken: `${key}-access-${number}`,
      refreshToken: `${number}`,
      expiresIn: lives,
      refreshTokenExpiresIn: refreshLives,
      refreshTokenExpiresAt: endsAfter === undefined ? undefined : new Date(30 * 86_400_000)
    })
  }
  const source = (key: string) =>
    TokenSource.make({
      keepAlive,
      refresh: (current) =>
        Effect.gen(function* () {
          posts++
          const failure = failures.get(key)
          if (failure !== undefined) return yield* failure
          if (hanging.has(key)) return yield* Effect.never
          if (current.refreshToken !== undefined && Redacted.value(current.refreshToken) !== `${live.get(key)}`)
            alarms++
          return mint(key)
        })
    })
  const rows = Effect.gen(function* () {
    const store = yield* TokenStore
    return yield* Effect.forEach([...live.keys()], (key) => Effect.flatMap(store.load(key), (row) => row))
  })
  return {
    source,
    mint,
    rows,
    posts: () => posts,
    alarms: () => alarms,
    heal: () => failures.clear(),
    fail: (key: string, error: GrantRejected | TokenEndpointError) => void failures.set(key, error),
    hang: (key: string) => void hanging.add(key)
  }
}

/** People have logged in: there are tokens under `key-0` and so on, which nobody has in memory. */
const seed = (server: ReturnType<typeof fakeServer>, count: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: server.source, policy })
      for (let at = 0; at < count; at++) {
        const provider = yield* tokens.of(`key-${at}`)
        yield* provider.put(server.mint(`key-${at}`))
      }
    })
  )

const days = (count: number, each: Effect.Effect<unknown, unknown, TokenStore>) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.zipRight(TestClock.adjust("1 day"), each))

/** Renews the one key, and counts the warnings that were told of it. */
const warnings = (server: ReturnType<typeof fakeServer>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: server.source, policy })
      const heard = yield* Effect.fork(
        Stream.runCollect(Stream.takeUntil(tokens.events, ({ _tag }) => _tag === "Forgotten"))
      )
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      const row = Option.getOrThrow(yield* Effect.flatMap(TokenStore, (store) => store.load("key-0")))
      yield* tokens.renew("key-0", row.generation)
      yield* Effect.flatMap(tokens.of("other"), (provider) => provider.forget)
      const events = Chunk.toReadonlyArray(yield* Fiber.join(heard))
      return events.filter(({ _tag }) => _tag === "ReauthorizationSoon").length
    })
  )

/** How many items were put into any set so far. */
let added = 0

/** Runs `test` while that is counted. */
const counting = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { add } = Set.prototype
      Set.prototype.add = function (value) {
        added++
        return add.call(this, value)
      }
      return add
    }),
    () => test,
    (add) =>
      Effect.sync(() => {
        Set.prototype.add = add
      })
  )

/** Each timer that is set meanwhile has its turn. */
const seconds = (count: number) => Effect.forEach(Array.from({ length: count }), () => TestClock.adjust("1 second"))

function holds(title: string, test: () => Effect.Effect<void, unknown, TokenStore | Scope.Scope>) {
  it.scoped(title, () => Effect.provide(test(), MemoryTokenStore.layer))
}
