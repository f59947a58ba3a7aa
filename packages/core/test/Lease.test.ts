import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  type DurationOption,
  OAuth2,
  RefreshPolicy,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { assertNoReuse, FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Deferred, Effect, Exit, Fiber, Redacted, Schedule, type Scope, TestClock } from "effect"
import { around, presented } from "./support/Around.js"
import { type Harm, harmed } from "./support/Store.js"

// What a lease says, and what it does not say.

describe("P4: an outage of the store loses no grant", () => {
  for (const seconds of [3, 15, 40]) {
    holds(
      `of ${seconds} s while an answer arrives: the holder saves before another process presents the token again`,
      () =>
        Effect.gen(function* () {
          const { a, b, heal, hurt, server } = yield* two("10 seconds")
          yield* TestClock.adjust("11 seconds")
          hurt((operation, _, does) => (operation === "commit" ? Effect.fail("away") : does))
          assert.strictEqual(yield* value(a.get), "access-2")
          hurt(() => Effect.fail("away"))
          for (let second = 0; second < seconds; second++) {
            yield* Effect.fork(Effect.either(b.get))
            yield* TestClock.adjust("1 second")
          }
          heal()
          for (let tenth = 0; tenth < 300; tenth++) {
            yield* Effect.fork(Effect.either(b.get))
            yield* TestClock.adjust("100 millis")
          }
          assertNoReuse(server)
          assert.isTrue(Exit.isSuccess(yield* answered(b.get)))
        })
    )
  }

  holds("a process that did not ask while it was away waits for the holder too", () =>
    Effect.gen(function* () {
      const { a, b, heal, hurt, server } = yield* two("10 seconds")
      yield* TestClock.adjust("11 seconds")
      hurt((operation, _, does) => (operation === "commit" ? Effect.fail("away") : does))
      assert.strictEqual(yield* value(a.get), "access-2")
      hurt(() => Effect.fail("away"))
      yield* TestClock.adjust("30 seconds")
      heal()
      const asked = yield* Effect.fork(b.get)
      for (let tenth = 0; tenth < 50; tenth++) yield* TestClock.adjust("100 millis")
      assertNoReuse(server)
      yield* Fiber.join(asked)
    })
  )

  holds("a holder that died in the outage is waited for no longer than a holder needs to save", () =>
    Effect.gen(function* () {
      let dies = true
      const { a, b, heal, hurt, server } = yield* two("10 seconds", () => (dies ? Effect.never : Effect.void))
      yield* TestClock.adjust("11 seconds")
      yield* Effect.fork(Effect.either(a.get))
      yield* TestClock.adjust("10 millis")
      hurt(() => Effect.fail("away"))
      dies = false
      for (let second = 0; second < 20; second++) {
        yield* Effect.fork(Effect.either(b.get))
        yield* TestClock.adjust("1 second")
      }
      heal()
      // It is counted from the first answer that this process hears.
      const asked = yield* Effect.fork(b.get)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(presented(server), [])
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(Redacted.value((yield* Fiber.join(asked)).value), "access-2")
      assertNoReuse(server)
    })
  )
})

holds("P5: a holder that lost its lease before its request sends nothing", () =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    let waits = true
    // Before its request the source has to wait for something: a signature, discovery, a connection.
    const before = () => Effect.suspend(() => (waits ? Deferred.await(gate) : Effect.void))
    const { a, b, hurtA, server } = yield* two("10 seconds", before)
    yield* TestClock.adjust("11 seconds")
    hurtA((operation, _, does) => (operation === "renew" ? Effect.fail("stopped") : does))
    const stopped = yield* Effect.fork(Effect.either(a.get))
    yield* TestClock.adjust("10 millis")
    waits = false
    yield* TestClock.adjust("5 seconds")
    hurtA(() => Effect.fail("stopped"))
    for (let second = 0; second < 4; second++) yield* TestClock.adjust("1 second")
    yield* b.put(server.login())
    yield* TestClock.adjust("500 millis")
    hurtA((_, __, does) => does)
    yield* Deferred.succeed(gate, undefined)
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(
      presented(server).filter((token) => token === "refresh-1"),
      []
    )
    assert.strictEqual(server.reuses(), 0)
  })
)

describe("P2: a holder that lost its lease before its request", () => {
  holds("sends nothing to a token endpoint, whatever its source waited for, and the grant lives on", () =>
    Effect.gen(function* () {
      const ready = yield* Deferred.make<void>()
      const sent: Array<string> = []
      const network = HttpClient.make((request, { href }) => {
        sent.push(href)
        const tokens = { access_token: "access", token_type: "Bearer", expires_in: 3600 }
        return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(tokens)))
      })
      const { refresh } = yield* OAuth2.refreshToken({
        tokenEndpoint: "https://auth.example.com/token",
        clientId: "app",
        clientSecret: Redacted.make("hush")
      }).pipe(Effect.provideService(HttpClient.HttpClient, network))
      if (refresh === undefined) return assert.fail("no refresh")
      const backend = yield* MemoryTokenStore.backend()
      let stopped = false
      const store = TokenStore.make({
        ...backend,
        renew: (key, owner, lasts) => (stopped ? Effect.never : backend.renew(key, owner, lasts))
      })
      const provider = yield* TokenProvider.make({
        key: "k",
        source: TokenSource.make({
          fenced: true,
          refresh: (current) => Effect.zipRight(Deferred.await(ready), refresh(current))
        })
      }).pipe(Effect.provideService(TokenStore, store))
      yield* provider.put(TokenSet.make({ refreshToken: "refresh-1" }))
      yield* Effect.fork(Effect.either(provider.get))
      yield* TestClock.adjust("1 second")
      stopped = true
      // As after a sleep: the clock has gone on, what it waited for is there, and no answer to a renewal came yet.
      yield* TestClock.adjust("45 seconds")
      yield* Deferred.succeed(ready, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(sent, [])
      stopped = false
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(Redacted.value((yield* provider.get).value), "access")
      assert.strictEqual(sent.length, 1)
    })
  )
})

describe("P6: where the store is slow, goodput falls and does not stop", () => {
  for (const lease of ["2 seconds", "3400 millis", "10 seconds"] as const) {
    holds(`a wire of 0.8 s and a lease of ${lease}`, () =>
      Effect.gen(function* () {
        const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
        const backend = yield* MemoryTokenStore.backend()
        const slow: Harm = (_, __, does) =>
          Effect.zipRight(
            Effect.sleep("400 millis"),
            Effect.tap(does, () => Effect.sleep("400 millis"))
          )
        const make = TokenProvider.make({
          key: "k",
          source: server.source,
          policy: RefreshPolicy.make({ lease })
        }).pipe(Effect.provideService(TokenStore, harmed(backend, slow)))
        const [a, b] = [yield* make, yield* make]
        const putting = yield* Effect.fork(a.put(server.login()))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(putting)
        for (let round = 0; round < 5; round++) {
          const asked = yield* Effect.fork(Effect.all([a.refresh, b.refresh], { concurrency: 2 }))
          yield* TestClock.adjust("25 seconds")
          yield* Fiber.join(asked)
        }
        assert.isAtLeast(server.posts(), 5)
        assert.strictEqual(server.reuses(), 0)
        const row = yield* backend.load("k")
        assert.strictEqual(row.row?.leaseOwner, undefined)
        assert.strictEqual(row.row?.intentOwner, undefined)
      })
    )
  }

  holds(
    "a store too slow for any lease: who gives up leaves neither lease nor intent behind, and all heals with it",
    () =>
      Effect.gen(function* () {
        const server = FakeTokenSource.make({ canLogin: false, expiresIn: "10 seconds" })
        const backend = yield* MemoryTokenStore.backend()
        let slow = false
        const harm: Harm = (_, __, does) => (slow ? Effect.tap(does, () => Effect.sleep("2500 millis")) : does)
        const provider = yield* TokenProvider.make({
          key: "k",
          source: server.source,
          policy: RefreshPolicy.make({ lease: "2 seconds", ahead: Schedule.stop })
        }).pipe(Effect.provideService(TokenStore, harmed(backend, harm)))
        yield* provider.put(server.login())
        yield* TestClock.adjust("11 seconds")
        slow = true
        const asked = yield* Effect.fork(Effect.either(provider.get))
        yield* TestClock.adjust("9900 millis")
        assert.strictEqual(server.posts(), 0)
        const { row } = yield* backend.load("k")
        assert.strictEqual(row?.leaseOwner, undefined)
        assert.strictEqual(row?.intentOwner, undefined)
        slow = false
        yield* TestClock.adjust("40 seconds")
        yield* Fiber.join(asked)
        assert.isTrue(Exit.isSuccess(yield* answered(provider.get)))
        assert.strictEqual(server.reuses(), 0)
      })
  )
})

describe("P4: a store that lost commits gets the newer tokens back", () => {
  for (const what of ["a refresh", "a get after its end", "a hint of the store"] as const) {
    holds(`found by ${what}`, () =>
      Effect.gen(function* () {
        const { a, b, backend, server } = yield* two("10 minutes")
        const before = (yield* backend.load("k")).row
        yield* answered(a.refresh)
        const { row: newer } = yield* backend.load("k")
        assert.isDefined(before?.payload)
        assert.isDefined(newer)
        if (before?.payload === undefined || newer === undefined) return
        // A failover to a replica that was one commit behind.
        yield* backend.put("k", {
          expected: newer.generation,
          generation: before.generation,
          payload: before.payload,
          dueIn: undefined
        })
        if (what === "a hint of the store") yield* TestClock.adjust("1 second")
        if (what === "a get after its end") yield* TestClock.adjust("11 minutes")
        yield* answered(what === "a refresh" ? a.refresh : a.get)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(server.reuses(), 0)
        assert.notInclude(presented(server).slice(1), "refresh-1")
        assert.isAbove((yield* backend.load("k")).row?.generation ?? 0, newer.generation)
        yield* answered(b.refresh)
        assertNoReuse(server)
      })
    )
  }

  holds("an unsaved pair goes over the older row too", () =>
    Effect.gen(function* () {
      const { a, b, backend, heal, hurt, server } = yield* two("10 minutes")
      const before = (yield* backend.load("k")).row
      yield* answered(a.refresh)
      const newer = (yield* backend.load("k")).row
      hurt((operation, _, does) => (operation === "commit" ? Effect.fail("away") : does))
      yield* answered(a.refresh)
      assert.deepStrictEqual(presented(server), ["refresh-1", "refresh-2"])
      if (before?.payload === undefined || newer === undefined) return assert.fail("no row")
      yield* backend.put("k", {
        expected: newer.generation,
        generation: before.generation,
        payload: before.payload,
        dueIn: undefined
      })
      heal()
      yield* TestClock.adjust("3 seconds")
      assert.isAbove((yield* backend.load("k")).row?.generation ?? 0, newer.generation + 1)
      yield* answered(b.refresh)
      assert.deepStrictEqual(presented(server), ["refresh-1", "refresh-2", "refresh-3"])
      assert.strictEqual(server.reuses(), 0)
    })
  )

  holds("a login elsewhere after a logout is no lost commit, and is adopted", () =>
    Effect.gen(function* () {
      const { a, b, server } = yield* two("10 minutes")
      yield* answered(a.refresh)
      yield* b.forget
      yield* b.put(server.login())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* value(a.get), yield* value(b.get))
    })
  )
})

/** Two processes on one store, logged in, whose ways to it can be harmed. */
function two(lives: DurationOption, before?: () => Effect.Effect<void>) {
  return Effect.gen(function* () {
    const server = FakeTokenSource.make({ canLogin: false, expiresIn: lives })
    const backend = yield* MemoryTokenStore.backend()
    const kind: Harm = (_, __, does) => does
    let harms: [Harm, Harm] = [kind, kind]
    const make = (at: 0 | 1) =>
      TokenProvider.make({
        key: "k",
        source: around(
          server,
          (request) =>
            before === undefined
              ? request
              : before().pipe(Effect.zipRight(TokenSource.fence), Effect.zipRight(request)),
          before !== undefined
        ),
        policy: RefreshPolicy.make({ ahead: Schedule.stop })
      }).pipe(
        Effect.provideService(
          TokenStore,
          harmed(backend, (operation, key, does) => harms[at](operation, key, does))
        )
      )
    const [a, b] = [yield* make(0), yield* make(1)]
    yield* a.put(server.login())
    return {
      ...{ a, b, backend, server },
      hurt: (harm: Harm) => {
        harms = [harm, harm]
      },
      hurtA: (harm: Harm) => {
        harms = [harm, kind]
      },
      heal: () => {
        harms = [kind, kind]
      }
    }
  })
}

const answered = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const calling = yield* Effect.fork(call)
    yield* TestClock.adjust("2 seconds")
    return yield* Fiber.await(calling)
  })

const value = <E>(call: Effect.Effect<{ readonly value: Redacted.Redacted }, E>) =>
  Effect.gen(function* () {
    const calling = yield* Effect.fork(call)
    yield* TestClock.adjust("10 millis")
    return Redacted.value((yield* Fiber.join(calling)).value)
  })

function holds(title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) {
  it.scoped(title, test)
}
