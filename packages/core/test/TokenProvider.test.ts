import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  ClientRejected,
  GrantRejected,
  InvalidOption,
  RefreshPolicy,
  TokenEndpointError,
  type TokenError,
  TokenProvider,
  TokenRejected,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import type { TokenStoreBackend } from "@evertoken/core/store"
import { FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import {
  Chunk,
  Clock,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  Random,
  Redacted,
  Ref,
  Schedule,
  type Scope,
  Stream,
  TestClock
} from "effect"

describe("TokenProvider", () => {
  holds("P1: asks once for 10,000 callers, who all get the same token", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "2 seconds" })
      const provider = yield* make(server)
      const callers = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 10_000 }, () => provider.get),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("2 seconds")
      const tokens = yield* Fiber.join(callers)
      assert.strictEqual(server.posts(), 1)
      for (const token of tokens) assertEquals(token.value, Redacted.make("access-1"))
    })
  )

  holds("P1: asks once through twenty providers on one store", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "2 seconds" })
      const providers = yield* Effect.all(Array.from({ length: 20 }, () => make(server)))
      const callers = yield* Effect.fork(
        Effect.all(
          providers.flatMap((provider) => [provider.get, provider.get, provider.get]),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("10 seconds")
      const tokens = yield* Fiber.join(callers)
      assert.strictEqual(server.posts(), 1)
      for (const token of tokens) assertEquals(token.value, Redacted.make("access-1"))
    })
  )

  holds("P1: presents the refresh token that it reads under the lease, not the one it knew", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make()
      const [a, b] = [yield* make(server), yield* make(server)]
      yield* a.get
      yield* b.get
      yield* a.refresh
      yield* b.refresh
      yield* b.refresh
      yield* a.refresh
      assert.strictEqual(server.reuses(), 0)
      assert.isAtMost(server.posts(), 5)
    })
  )

  holds("serves from memory while fresh, without the store", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const counted = yield* countedStore
      const provider = yield* TokenProvider.make({ key: "k", source: server.source }).pipe(
        Effect.provideService(TokenStore, counted.store)
      )
      yield* provider.get
      const before = counted.count()
      for (let i = 0; i < 100; i++) yield* provider.get
      assert.strictEqual(counted.count(), before)
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P9: renews ahead of time in the background, so that nobody waits", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "2 seconds", expiresIn: "1 hour" })
      const provider = yield* make(server, { ahead: RefreshPolicy.beforeExpiry("5 minutes") })
      const first = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(first)
      yield* TestClock.adjust("56 minutes")
      assert.strictEqual(server.posts(), 2)
      const token = yield* provider.get
      assertEquals(token.value, Redacted.make("access-2"))
    })
  )

  holds("P9: hands out the old token while it holds and a renewal runs", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 hour" })
      const provider = yield* make(server, { timeout: "2 minutes" })
      yield* provider.get
      server.always({ takes: "90 seconds" })
      while (server.posts() === 1) yield* TestClock.adjust("1 minute")
      assertEquals((yield* provider.get).value, Redacted.make("access-1"))
      yield* TestClock.adjust("90 seconds")
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
    })
  )

  holds("P9: a margin above the lifetime does not cause a refresh on each call", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 minute" })
      const provider = yield* make(server, { ahead: RefreshPolicy.beforeExpiry("5 minutes") })
      yield* provider.get
      for (let second = 0; second < 60; second++) {
        yield* provider.get
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(server.posts(), 3)
      assert.isAtLeast(server.posts(), 2)
    })
  )

  holds("P9: a schedule of one's own that renews at once does not cause a refresh on each call either", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 minute", takes: "100 millis" })
      const provider = yield* make(server, { ahead: Schedule.forever })
      for (let second = 0; second < 60; second++) {
        const getting = yield* Effect.fork(provider.get)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(getting)
      }
      assert.isAtMost(server.posts(), 3)
      assert.isAtLeast(server.posts(), 2)
    })
  )

  holds("P9: after a jump of eight hours the next caller gets a new token, not the expired one", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 hour", takes: "1 second" })
      const provider = yield* make(server, { ahead: Schedule.stop })
      const first = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* TestClock.adjust("8 hours")
      assert.strictEqual(server.posts(), 1)
      const next = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      assertEquals((yield* Fiber.join(next)).value, Redacted.make("access-2"))
    })
  )

  holds("P9: an unknown expiry is served and renewed on a rejection only", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: Duration.infinity })
      const provider = yield* make(server)
      const token = yield* provider.get
      yield* TestClock.adjust("400 days")
      assert.strictEqual((yield* provider.get).generation, token.generation)
      yield* provider.reject(token)
      assert.isAbove((yield* provider.get).generation, token.generation)
      assert.strictEqual(server.posts(), 2)
    })
  )

  holds("P4: interrupting every caller stops neither the request nor the save", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "5 seconds" })
      const provider = yield* make(server)
      const callers = yield* Effect.all(Array.from({ length: 10 }, () => Effect.fork(provider.get)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptAll(callers)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(server.posts(), 1)
      const other = yield* make(server)
      assertEquals((yield* other.get).value, Redacted.make("access-1"))
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P4: interrupting the first caller leaves the others their token", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "5 seconds" })
      const provider = yield* make(server)
      const first = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("3 seconds")
      assertEquals((yield* Fiber.join(second)).value, Redacted.make("access-1"))
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P4: closing the provider finishes what is in flight", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "5 seconds" })
      const closing = yield* Effect.gen(function* () {
        const provider = yield* make(server)
        yield* Effect.fork(provider.get)
        yield* Effect.yieldNow()
      }).pipe(Effect.scoped, Effect.fork)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(closing)
      const other = yield* make(server)
      assertEquals((yield* other.get).value, Redacted.make("access-1"))
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P4: where saving fails, serves the new pair, tries to save again, and never presents the spent token", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ expiresIn: "1 hour" })
      const flaky = yield* flakyStore
      const provider = yield* make(server, {}, flaky.store)
      yield* provider.get
      const events = yield* Effect.fork(
        Stream.runCollect(Stream.takeUntil(provider.events, ({ _tag }) => _tag === "Saved" || _tag === "Restored"))
      )
      yield* TestClock.adjust("1 second")
      // Who follows the tokens has the store looked into every five seconds.
      yield* Effect.fork(Stream.runDrain(provider.changes))
      flaky.breaks({ commit: true })
      const token = yield* provider.refresh
      assertEquals(token.value, Redacted.make("access-2"))
      yield* TestClock.adjust("5 minutes")
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
      flaky.breaks({})
      yield* TestClock.adjust("30 seconds")
      const tags = Chunk.toReadonlyArray(yield* Fiber.join(events)).map((event) => event._tag)
      assert.strictEqual(tags.filter((tag) => tag === "SaveFailed").length, 1)
      assert.notInclude(tags, "Restored", "the row is older since nothing could be saved, not since it was lost")
      const other = yield* make(server, {}, flaky.store)
      assertEquals((yield* other.get).value, Redacted.make("access-2"))
      yield* provider.refresh
      assert.strictEqual(server.reuses(), 0)
      assert.strictEqual(server.posts(), 3)
    })
  )

  holds("P4: asks nothing while the store takes no writes", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 hour" })
      const flaky = yield* flakyStore
      const provider = yield* make(server, { wait: "5 seconds" }, flaky.store)
      yield* provider.get
      flaky.breaks({ lease: true, commit: true, fail: true })
      yield* TestClock.adjust("58 minutes")
      assertEquals((yield* provider.get).value, Redacted.make("access-1"))
      yield* TestClock.adjust("1 hour")
      const failed = yield* Effect.fork(Effect.flip(provider.get))
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* Fiber.join(failed))._tag, "TokenStoreError")
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P6: an endpoint that never answers fails all callers within the bound, and the next call asks again", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "1 day" })
      const provider = yield* make(server, { timeout: "10 seconds", wait: "15 seconds" })
      const callers = yield* Effect.all(Array.from({ length: 10 }, () => Effect.fork(Effect.flip(provider.get))))
      yield* TestClock.adjust("16 seconds")
      for (const error of yield* Fiber.joinAll(callers)) assertTag(error, "TokenEndpointError", { reason: "timeout" })
      server.always({ takes: "0 seconds" })
      const next = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(next)))
    })
  )

  holds("P6: a source that cannot be interrupted does not hold its callers", () =>
    Effect.gen(function* () {
      const source = TokenSource.make({ login: Effect.uninterruptible(Effect.never) })
      const provider = yield* TokenProvider.make({
        key: "k",
        source,
        policy: RefreshPolicy.make({ wait: "12 seconds", retry: Schedule.stop })
      })
      const caller = yield* Effect.fork(Effect.flip(provider.get))
      yield* TestClock.adjust("12 seconds")
      assertTag(yield* Fiber.join(caller), "TokenEndpointError", { reason: "timeout" })
    })
  )

  holds("P6: a caller's own deadline does not end the refresh", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", takes: "5 seconds" })
      const provider = yield* make(server)
      const hasty = yield* Effect.fork(Effect.timeoutOption(provider.get, "1 second"))
      const patient = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(hasty))._tag, "None")
      yield* TestClock.adjust("4 seconds")
      assertEquals((yield* Fiber.join(patient)).value, Redacted.make("access-1"))
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P6: a source that dies frees the flight", () =>
    Effect.gen(function* () {
      const broken = yield* Ref.make(true)
      const login = Effect.flatMap(Ref.get(broken), (is) => (is ? Effect.die("boom") : Effect.succeed(tokens("good"))))
      const provider = yield* TokenProvider.make({
        key: "k",
        source: TokenSource.make({ login }),
        policy: RefreshPolicy.make({ retry: Schedule.stop })
      })
      assertTag(yield* Effect.flip(provider.get), "TokenSourceDefect", { key: "k" })
      yield* Ref.set(broken, false)
      yield* TestClock.adjust("30 seconds")
      assertEquals((yield* provider.get).value, Redacted.make("good"))
    })
  )

  holds("P7: a rejection counts for the current generation only", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      const old = yield* provider.get
      for (let i = 0; i < 50; i++) {
        yield* provider.reject(old)
        yield* provider.get
      }
      assert.strictEqual(server.posts(), 2)
    })
  )

  holds("P7: a rejection counts by generation, whatever object or value the secret comes in", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const [mine, yours] = [yield* make(server), yield* make(server)]
      const first = yield* mine.get
      const same = yield* yours.get // read from the store, so another object
      assert.isFalse(first.value === same.value)
      yield* mine.reject(same)
      const second = yield* mine.get
      assert.isAbove(second.generation, first.generation)
      yield* mine.put(tokens("access-1"))
      yield* mine.reject(first)
      yield* mine.get
      assert.strictEqual(server.posts(), 2)
    })
  )

  holds("P7: use repeats a refused call once, with a newer token", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      const seen: Array<string> = []
      const result = yield* provider.use((token) => {
        seen.push(Redacted.value(token.value))
        return seen.length === 1 ? new TokenRejected() : Effect.succeed("done")
      })
      assert.strictEqual(result, "done")
      assert.deepStrictEqual(seen, ["access-1", "access-2"])
    })
  )

  holds("P7: an API that refuses every token sees two requests and causes one refresh", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      yield* provider.get
      let calls = 0
      const error = yield* Effect.flip(
        provider.use(() =>
          Effect.suspend(() => {
            calls++
            return new TokenRejected()
          })
        )
      )
      assertTag(error, "Unauthorized", {})
      assert.strictEqual(calls, 2)
      assert.strictEqual(server.posts(), 2)
    })
  )

  holds("P7: an API that keeps refusing fresh tokens does not cause a storm", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      for (let i = 0; i < 100; i++) yield* Effect.flip(provider.use(() => new TokenRejected()))
      assert.isAtMost(server.posts(), 6)
    })
  )

  holds("P7: never uses the refused value again, even where a refresh brings it back", () =>
    Effect.gen(function* () {
      const provider = yield* TokenProvider.make({
        key: "k",
        source: TokenSource.make({ login: Effect.succeed(tokens("same")) })
      })
      let calls = 0
      const error = yield* Effect.flip(
        provider.use(() =>
          Effect.suspend(() => {
            calls++
            return new TokenRejected()
          })
        )
      )
      assertTag(error, "Unauthorized", {})
      assert.strictEqual(calls, 1)
    })
  )

  holds("P7: use passes on other failures and its own typed errors", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      const failing: Effect.Effect<never, "mine" | TokenRejected> = Effect.fail("mine")
      const error: "mine" | TokenError = yield* Effect.flip(provider.use(() => failing))
      assert.strictEqual(error, "mine")
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P8: early renewal failing does not fail the call while the token holds", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none", expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.get
      server.always({ fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) })
      for (let minute = 0; minute < 59; minute++) {
        yield* TestClock.adjust("1 minute")
        assertEquals((yield* provider.get).value, Redacted.make("access-1"))
      }
      assert.isAbove(server.posts(), 1)
      server.always()
      yield* TestClock.adjust("5 minutes")
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
    })
  )

  holds("P8: an outage of an hour under load costs no more requests than its shortest waits allow, and heals", () =>
    Effect.gen(function* () {
      // One at once, and one after each wait: a second, two, four, up to five minutes, all drawn as short as they can be.
      let most = 1
      for (let at = 0.8, wait = 1; at <= 3_600; at += 0.8 * wait) {
        most++
        wait = Math.min(2 * wait, 300)
      }
      assert.strictEqual(most, 23)
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      const provider = yield* make(server)
      server.always({ fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) })
      for (let i = 0; i < 120; i++) {
        const caller = yield* Effect.fork(provider.get)
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.interrupt(caller)
      }
      assert.isAtMost(server.posts(), most)
      server.always()
      yield* TestClock.adjust("7 minutes")
      const healed = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("1 second")
      assertEquals((yield* Fiber.join(healed)).value, Redacted.make("access-1"))
    }).pipe(Effect.withRandom(Random.fixed([0])))
  )

  holds("P8: callers wait for the next attempts as long as their bound allows", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      server.always({ fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) })
      const provider = yield* make(server, { retry: Schedule.spaced("5 seconds") })
      const caller = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual(server.posts(), 3)
      server.always()
      yield* TestClock.adjust("3 seconds")
      assertEquals((yield* Fiber.join(caller)).value, Redacted.make("access-1"))
    })
  )

  holds("P8: all providers on a store keep to one back-off", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      server.always({ fails: new TokenEndpointError({ reason: "throttled", retryAfter: 600_000 }) })
      const [a, b] = [yield* make(server), yield* make(server)]
      yield* Effect.flip(a.get)
      for (let i = 0; i < 9; i++) {
        yield* TestClock.adjust("1 minute")
        assertTag(yield* Effect.flip(a.get), "TokenEndpointError", { reason: "throttled" })
        assertTag(yield* Effect.flip(b.get), "TokenEndpointError", { reason: "throttled" })
      }
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("P3: a dead grant fails at once without a request, until new tokens are put", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      server.always({ fails: new GrantRejected({ code: "invalid_grant" }) })
      yield* TestClock.adjust("2 hours")
      assertTag(yield* Effect.flip(provider.get), "ReauthorizationRequired", {
        reason: "refused",
        code: "invalid_grant"
      })
      const posts = server.posts()
      for (let i = 0; i < 100; i++) {
        yield* TestClock.adjust("1 minute")
        yield* Effect.flip(provider.get)
      }
      assert.strictEqual(server.posts(), posts)
      assert.isTrue((yield* provider.status).reauthorizationRequired)
      server.always()
      yield* provider.put(server.login())
      assert.isFalse((yield* provider.status).reauthorizationRequired)
      yield* provider.get
      yield* provider.refresh
      assert.strictEqual(server.reuses(), 0)
    })
  )

  holds("P3: a grant that dies is told at once, and its token served to the end", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      const told = yield* Effect.fork(
        Stream.runHead(Stream.filter(provider.events, (e) => e._tag === "ReauthorizationNeeded"))
      )
      server.always({ fails: new GrantRejected({ code: "invalid_grant" }) })
      yield* TestClock.adjust("57 minutes")
      assert.strictEqual((yield* Fiber.join(told))._tag, "Some")
      yield* provider.get
      yield* TestClock.adjust("4 minutes")
      assertTag(yield* Effect.flip(provider.get), "ReauthorizationRequired", {})
    })
  )

  holds("P3: a refused refresh falls back to login, once", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.get
      server.revoke()
      yield* TestClock.adjust("2 hours")
      yield* provider.get
      assert.strictEqual(logins(server), 2)
    })
  )

  holds("P3: a wrong client is told as such, asked for sparsely, and heals", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ refreshTokens: "none" })
      server.always({ fails: new ClientRejected({ code: "invalid_client", status: 401 }) })
      const provider = yield* make(server)
      assertTag(yield* Effect.flip(provider.get), "ClientRejected", { code: "invalid_client" })
      server.always()
      yield* TestClock.adjust("2 seconds")
      yield* provider.get
    })
  )

  holds("step 9: after a lost answer the token still holding is served, then asked for once more", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      server.always({ fails: new TokenEndpointError({ reason: "disconnected" }) })
      yield* TestClock.adjust("57 minutes")
      assert.strictEqual(server.posts(), 1)
      server.always()
      yield* provider.get
      assert.strictEqual(server.posts(), 1)
      yield* TestClock.adjust("3 minutes")
      const token = yield* provider.get
      assert.strictEqual(server.posts(), 2)
      assertEquals(token.value, Redacted.make("access-2"))
    })
  )

  holds("step 9: a source that forbids a replay gives RefreshInDoubt, without a request", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour", replay: "never" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      server.always({ fails: new TokenEndpointError({ reason: "disconnected" }) })
      yield* TestClock.adjust("57 minutes")
      server.always()
      yield* TestClock.adjust("4 minutes")
      assertTag(yield* Effect.flip(provider.get), "RefreshInDoubt", {})
      assert.strictEqual(server.posts(), 1)
      yield* provider.put(server.login())
      yield* provider.get
    })
  )

  holds("step 9: inside the source's window the same refresh token is presented again at once", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({
        canLogin: false,
        expiresIn: "1 hour",
        replay: "never",
        replayWindow: "30 minutes"
      })
      const provider = yield* make(server, { retry: Schedule.spaced("30 seconds") })
      yield* provider.put(server.login())
      server.always({ fails: new TokenEndpointError({ reason: "disconnected" }) })
      yield* TestClock.adjust("56 minutes")
      server.always()
      yield* TestClock.adjust("2 minutes")
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
    })
  )

  holds(
    "step 9: who starts after a process died in a refresh asks again while the source takes its refresh token",
    () =>
      Effect.gen(function* () {
        const server = FakeTokenSource.make({
          canLogin: false,
          expiresIn: "1 hour",
          replay: "never",
          replayWindow: "30 seconds"
        })
        const store = yield* TokenStore
        const known = yield* store.put("k", server.login().obtained(yield* Clock.currentTimeMillis), undefined)
        yield* TestClock.adjust("20 minutes")
        yield* store.lease("k", { owner: "killed", known, lasts: 10_000, presents: true, force: false })
        yield* TestClock.adjust("2 seconds")
        const provider = yield* make(server)
        assertEquals((yield* provider.get).value, Redacted.make("access-1"))
        yield* TestClock.adjust("7 seconds")
        assert.strictEqual(server.posts(), 0)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(server.posts(), 1)
        assertEquals((yield* provider.get).value, Redacted.make("access-2"))
      })
  )

  holds("P5: an answer known although the store missed it is not taken for a lost one", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour", replay: "never" })
      const flaky = yield* flakyStore
      const provider = yield* make(server, {}, flaky.store)
      yield* provider.put(server.login())
      server.always({ fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) })
      flaky.breaks({ fail: true })
      yield* TestClock.adjust("57 minutes")
      server.always()
      flaky.breaks({})
      yield* TestClock.adjust("3 minutes")
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
    })
  )

  holds("P5: an open intent whose owner still has the lease is waited for, not taken for a lost answer", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour", replay: "never" })
      const policy = { ahead: Schedule.stop }
      const [a, b] = [yield* make(server, policy), yield* make(server, policy)]
      yield* a.put(server.login())
      yield* TestClock.adjust("2 hours")
      server.always({ takes: "5 seconds" })
      const callers = yield* Effect.all([Effect.fork(a.get), Effect.fork(b.get)])
      yield* TestClock.adjust("6 seconds")
      for (const token of yield* Fiber.joinAll(callers)) assertEquals(token.value, Redacted.make("access-2"))
      assert.strictEqual(server.reuses(), 0)
    })
  )

  holds("P4: a pair fetched by a holder that was overtaken is saved once the other let go without a newer one", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour", takes: "8 seconds" })
      const flaky = yield* flakyStore
      const a = yield* make(server, { lease: "3 seconds" }, flaky.store)
      const { generation } = yield* a.put(server.login())
      const refreshing = yield* Effect.fork(a.refresh)
      yield* TestClock.adjust("1 millis")
      flaky.breaks({ renew: true })
      yield* TestClock.adjust("7 seconds")
      const taken = { owner: "other", known: generation, lasts: 60_000, presents: true, force: true }
      assert.strictEqual(Option.getOrThrow(yield* flaky.store.lease("k", taken)).leaseOwner, "other")
      yield* TestClock.adjust("2 seconds")
      assertEquals((yield* Fiber.join(refreshing)).value, Redacted.make("access-2"))
      const failure = { by: "refresh", tag: "TokenEndpointError", reason: "unavailable" } as const
      const failed = { owner: "other", generation, failure, inDoubt: false, dead: false, retryIn: 1_000 }
      assert.isTrue(yield* flaky.store.fail("k", failed))
      yield* TestClock.adjust("20 seconds")
      const b = yield* make(server, {}, flaky.store)
      assertEquals((yield* b.get).value, Redacted.make("access-2"))
      yield* TestClock.adjust("1 second")
      const again = yield* Effect.fork(b.refresh)
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(again)
      assert.strictEqual(server.reuses(), 0)
    })
  )

  holds("P3: where login fails for a while after a refused refresh, the refused token is not presented again", () =>
    Effect.gen(function* () {
      let refreshes = 0
      let logins = 0
      const source = TokenSource.make({
        login: Effect.suspend(() =>
          ++logins < 3
            ? new TokenEndpointError({ reason: "unavailable", status: 503 })
            : Effect.succeed(TokenSet.make({ accessToken: "in", expiresIn: "1 hour", refreshToken: "r" }))
        ),
        refresh: () =>
          Effect.suspend(() => {
            refreshes++
            return new GrantRejected({ code: "invalid_grant" })
          })
      })
      const provider = yield* TokenProvider.make({ key: "k", source })
      yield* provider.put(TokenSet.make({ accessToken: "old", expiresAt: new Date(1), refreshToken: "spent" }))
      yield* TestClock.adjust("1 millis")
      const caller = yield* Effect.fork(provider.get)
      yield* TestClock.adjust("10 seconds")
      assertEquals((yield* Fiber.join(caller)).value, Redacted.make("in"))
      assert.deepStrictEqual([refreshes, logins], [1, 3])
    })
  )

  holds("P10: a logout during a refresh is final", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      server.always({ answersAfter: "5 seconds" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      const caller = yield* Effect.fork(Effect.flip(provider.refresh))
      yield* TestClock.adjust("1 second")
      yield* provider.forget
      yield* TestClock.adjust("10 seconds")
      assertTag(yield* Fiber.join(caller), "ReauthorizationRequired", { reason: "forgotten" })
      assertTag(yield* Effect.flip(provider.get), "ReauthorizationRequired", { reason: "absent" })
      assert.strictEqual((yield* provider.status).generation, undefined)
      assert.deepStrictEqual(
        server.log.flatMap(({ by, presented }) => (by === "revoke" ? [presented] : [])),
        ["refresh-1", "refresh-2"]
      )
    })
  )

  holds("P10: a newer login during a refresh survives its late result", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, takes: "5 seconds", expiresIn: "1 hour" })
      const provider = yield* make(server)
      yield* provider.put(server.login())
      const caller = yield* Effect.fork(provider.refresh)
      yield* TestClock.adjust("1 second")
      const put = yield* provider.put(server.login())
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(caller)).generation, put.generation)
      assertEquals((yield* provider.get).value, put.value)
    })
  )

  holds("P10: a logout elsewhere is noticed", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const [a, b] = [yield* make(server), yield* make(server)]
      yield* a.put(server.login())
      yield* b.get
      yield* a.forget
      yield* TestClock.adjust("1 millis")
      assertTag(yield* Effect.flip(b.get), "ReauthorizationRequired", {})
    })
  )

  holds("P10: keys never mix", () =>
    Effect.gen(function* () {
      const [one, two] = [FakeTokenSource.make(), FakeTokenSource.make()]
      const a = yield* TokenProvider.make({ key: "a", source: one.source })
      const b = yield* TokenProvider.make({ key: "b", source: two.source })
      yield* Effect.zipRight(a.get, a.refresh)
      assertEquals((yield* a.get).value, Redacted.make("access-2"))
      assertEquals((yield* b.get).value, Redacted.make("access-1"))
      assert.deepStrictEqual([one.posts(), two.posts()], [2, 1])
    })
  )

  holds("P2: a grant that is refused after somebody logged in again elsewhere costs no login", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ takes: "2 seconds" })
      const [mine, yours] = [yield* make(server), yield* make(server)]
      yield* mine.put(server.login())
      const refreshing = yield* Effect.fork(mine.refresh)
      yield* TestClock.adjust("1 second")
      server.revoke()
      yield* yours.put(tokens("logged-in-again"))
      yield* TestClock.adjust("1 minute")
      assertEquals((yield* Fiber.join(refreshing)).value, Redacted.make("logged-in-again"))
      assert.deepStrictEqual([server.posts(), logins(server)], [1, 0])
    })
  )

  holds("refresh brings a newer token than the stored one, also where this process had none in memory", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ expiresIn: "1 hour" })
      const [a, b] = [yield* make(server), yield* make(server)]
      const first = yield* a.get
      assert.strictEqual((yield* b.refresh).generation, first.generation + 1)
      assert.strictEqual(server.posts(), 2)
    })
  )

  holds("put starts from a refresh token alone: nobody sees a token without a value, and one process refreshes", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
      const [a, b] = [yield* make(server), yield* make(server)]
      const seen = yield* Effect.fork(Stream.runHead(a.changes))
      yield* Effect.yieldNow()
      const { refreshToken } = server.login()
      yield* a.put(TokenSet.make({ refreshToken }))
      const tokens = yield* Effect.all([a.get, b.get], { concurrency: "unbounded" })
      for (const { value } of tokens) assertEquals(value, Redacted.make("access-2"))
      assertEquals(
        Option.map(yield* seen, ({ value }) => value),
        Option.some(Redacted.make("access-2"))
      )
      assert.strictEqual(server.posts(), 1)
    })
  )

  holds("a refresh token alone is due at once, and is refreshed however young the source wants tokens to be", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour", earliestRefresh: "10 minutes" })
      const provider = yield* make(server)
      const { refreshToken } = server.login()
      const store = yield* TokenStore
      yield* store.put(provider.key, TokenSet.make({ refreshToken }), 0)
      assert.strictEqual((yield* store.due({ limit: 1, lasts: 1 })).length, 1)
      assertEquals((yield* provider.get).value, Redacted.make("access-2"))
    })
  )

  holds("an end at or before now says that the token has ended, the epoch included", () =>
    Effect.gen(function* () {
      for (const expiresAt of [0, new Date(0), DateTime.unsafeMake(0)]) {
        const server = FakeTokenSource.make({ canLogin: false, expiresIn: "1 hour" })
        const provider = yield* make(server)
        yield* provider.put(TokenSet.make({ ...server.login(), expiresAt }))
        assertEquals((yield* provider.get).value, Redacted.make("access-2"))
        yield* provider.forget
      }
    })
  )

  holds("changes tells the current token and each newer one, also those another provider fetched", () =>
    Effect.gen(function* () {
      const server = FakeTokenSource.make({ expiresIn: "1 hour" })
      const [a, b] = [yield* make(server), yield* make(server)]
      yield* a.get
      yield* b.get
      const seen = yield* Effect.fork(Stream.runCollect(Stream.take(b.changes, 3)))
      yield* TestClock.adjust("1 second")
      yield* a.refresh
      yield* TestClock.adjust("1 second")
      yield* a.refresh
      yield* TestClock.adjust("1 second")
      const values = Chunk.toReadonlyArray(yield* Fiber.join(seen)).map((token) => Redacted.value(token.value))
      assert.deepStrictEqual(values, ["access-1", "access-2", "access-3"])
    })
  )

  holds("tells the option that cannot work", () =>
    Effect.gen(function* () {
      const source = TokenSource.make({ login: Effect.succeed(tokens("t")) })
      const untyped = JSON.parse('"soon"') // what a caller without types may pass
      const cases = [
        ["key", TokenProvider.make({ key: "", source })],
        [
          "policy.ahead",
          TokenProvider.make({
            key: "k",
            source,
            policy: RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry(untyped) })
          })
        ],
        [
          "policy.timeout",
          TokenProvider.make({ key: "k", source, policy: RefreshPolicy.make({ timeout: "0 seconds" }) })
        ],
        ["policy.wait", TokenProvider.make({ key: "k", source, policy: RefreshPolicy.make({ wait: untyped }) })],
        [
          "policy.lease",
          TokenProvider.make({ key: "k", source, policy: RefreshPolicy.make({ lease: Duration.infinity }) })
        ],
        ["source", TokenProvider.make({ key: "k", source: TokenSource.make({}) })]
      ] as const
      for (const [option, making] of cases) {
        const error = yield* Effect.flip(making)
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, option)
        assert.include(error.message, option)
      }
    })
  )

  holds("an answer without an access token is a typed error, and nothing is stored", () =>
    Effect.gen(function* () {
      const provider = yield* TokenProvider.make({
        key: "k",
        source: TokenSource.make({ login: Effect.succeed(TokenSet.make({ refreshToken: "r" })) }),
        policy: RefreshPolicy.make({ retry: Schedule.stop })
      })
      assertTag(yield* Effect.flip(provider.get), "TokenEndpointError", { reason: "unreadable" })
      assert.strictEqual((yield* provider.status).generation, undefined)
    })
  )
})

/** A test with a memory store of its own. */
function holds(title: string, test: () => Effect.Effect<void, unknown, TokenStore | Scope.Scope>) {
  it.scoped(title, () => Effect.provide(test(), MemoryTokenStore.layer))
}

const make = (
  server: FakeTokenSource,
  policy: Parameters<typeof RefreshPolicy.make>[0] = {},
  store?: TokenStore["Type"]
) => {
  const making = TokenProvider.make({ key: "k", source: server.source, policy: RefreshPolicy.make(policy) })
  return store === undefined ? making : Effect.provideService(making, TokenStore, store)
}

const logins = ({ log }: FakeTokenSource) => log.filter(({ by }) => by === "login").length

const tokens = (accessToken: string) => TokenSet.make({ accessToken, expiresIn: "1 hour" })

const assertTag = (error: unknown, tag: TokenError["_tag"], fields: Record<string, unknown>) => {
  assert.propertyVal(error, "_tag", tag)
  for (const [name, value] of Object.entries(fields)) assert.propertyVal(error, name, value)
}

const wrapped = (check: (operation: keyof TokenStoreBackend) => Effect.Effect<void, Error>) =>
  Effect.map(MemoryTokenStore.backend(), (backend) => {
    const before = (operation: keyof TokenStoreBackend) => Effect.suspend(() => check(operation))
    return TokenStore.make({
      ...backend,
      load: (key) => Effect.zipRight(before("load"), backend.load(key)),
      put: (key, row) => Effect.zipRight(before("put"), backend.put(key, row)),
      lease: (key, request) => Effect.zipRight(before("lease"), backend.lease(key, request)),
      renew: (key, owner, lasts) => Effect.zipRight(before("renew"), backend.renew(key, owner, lasts)),
      commit: (key, result) => Effect.zipRight(before("commit"), backend.commit(key, result)),
      fail: (key, result) => Effect.zipRight(before("fail"), backend.fail(key, result))
    })
  })

const countedStore = Effect.gen(function* () {
  let count = 0
  const store = yield* wrapped(() => Effect.sync(() => void count++))
  return { store, count: () => count }
})

const flakyStore = Effect.gen(function* () {
  let broken: Partial<Record<keyof TokenStoreBackend, boolean>> = {}
  const store = yield* wrapped((operation) =>
    broken[operation] === true ? Effect.fail(new Error("down")) : Effect.void
  )
  const breaks = (operations: typeof broken) => {
    broken = operations
  }
  return { store, breaks }
})
