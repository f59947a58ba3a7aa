import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  OAuth2,
  TokenClient,
  TokenEndpointError,
  TokenHttpClient,
  TokenProvider,
  TokenRejected,
  TokenSet
} from "@evertoken/core"
import {
  AssertionFailed,
  assertNoReuse,
  assertNoSecret,
  assertOtherToken,
  assertPosts,
  assertSameToken,
  FakeAuthorizationServer,
  FakeClock,
  FakeResourceServer,
  FakeTokenProvider,
  FakeTokenSource
} from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Fiber, Layer, Redacted, Schedule, Stream, TestClock } from "effect"

describe("FakeResourceServer", () => {
  for (const refuses of ["status", "body", "redirect"] as const) {
    it.scoped(`answers what the authorization server ended by ${refuses}, and the client repairs it`, () =>
      Effect.gen(function* () {
        const server = FakeAuthorizationServer.make()
        const api = FakeResourceServer.make({ authority: server, refuses })
        const http = yield* TokenHttpClient.make({
          provider: TokenProvider.make({
            key: "k",
            source: OAuth2.clientCredentials({ tokenEndpoint: server.tokenEndpoint, clientId: "app" })
          }),
          baseUrl: "https://api.example.com",
          rejected: ({ body, status }) => status === 302 || body().includes("invalid_token")
        }).pipe(Effect.provide(Layer.merge(api.layer, MemoryTokenStore.layer)))
        assert.deepStrictEqual(yield* (yield* http.get("/a")).json, { ok: true })
        server.expire()
        assert.deepStrictEqual(yield* (yield* http.get("/b")).json, { ok: true })
        const seen = api.log.map(({ accepted, authorization, url }) => `${url.pathname} ${authorization} ${accepted}`)
        assert.deepStrictEqual(seen, ["/a Bearer access-1 true", "/b Bearer access-1 false", "/b Bearer access-2 true"])
        assertPosts(server, 2)
      })
    )
  }

  it.effect("keeps what it saw, and answers as it is told", () =>
    Effect.gen(function* () {
      const api = FakeResourceServer.make({ answer: ({ body }, nth) => new Response(`${nth} ${body}`) })
      const stream = Stream.encodeText(Stream.make("a", "b"))
      for (const set of [
        HttpClientRequest.bodyText("ab"),
        HttpClientRequest.bodyStream(stream),
        HttpClientRequest.setBody({ ...HttpClientRequest.get("").body, _tag: "Empty" })
      ]) {
        yield* api.client.execute(set(HttpClientRequest.post("https://api.example.com/x")))
      }
      assert.deepStrictEqual(
        api.log.map(({ body, method }) => `${method} ${body}`),
        ["POST ab", "POST ab", "POST "]
      )
      assert.deepStrictEqual(api.tokens(), [undefined, undefined, undefined])
    })
  )
})

describe("FakeTokenProvider", () => {
  it.effect("a token, a newer one when it is asked for or after a rejection", () =>
    Effect.gen(function* () {
      const provider = yield* FakeTokenProvider.make()
      const first = yield* provider.get
      assertSameToken(first, "access-1")
      assertSameToken(yield* provider.refresh, "access-2")
      yield* provider.reject(first)
      assertSameToken(yield* provider.get, "access-2")
      let calls = 0
      const used = yield* provider.use(({ value }) => (++calls === 1 ? new TokenRejected() : Effect.succeed(value)))
      assertSameToken(used, "access-3")
      assert.strictEqual((yield* Effect.flip(provider.use(() => new TokenRejected())))._tag, "Unauthorized")
      assert.strictEqual(yield* Effect.flip(provider.use(() => Effect.fail("mine"))), "mine")
      assertSameToken(yield* provider.put(TokenSet.make({ accessToken: "put" })), "put")
      assertSameToken(yield* Effect.flatten(Stream.runHead(provider.changes)), "put")
      yield* provider.forget
      assert.deepInclude(yield* Effect.flip(provider.get), { _tag: "ReauthorizationRequired", reason: "forgotten" })
    })
  )

  it.effect("an expired one, a refused one, log in again, and any failure, each in one line", () =>
    Effect.gen(function* () {
      const ask = Effect.flatMap(TokenProvider, ({ get }) => get)
      const { expiresAt } = yield* Effect.provide(ask, FakeTokenProvider.layer("an expired one"))
      assert.isBelow(expiresAt ?? Number.NaN, yield* Clock.currentTimeMillis)
      const call = Effect.flatMap(TokenProvider, ({ use }) => use(() => Effect.succeed("never")))
      const refused = yield* Effect.flip(Effect.provide(call, FakeTokenProvider.layer("a refused one")))
      assert.strictEqual(refused._tag, "Unauthorized")
      const dead = yield* Effect.flip(Effect.provide(ask, FakeTokenProvider.layer("log in again")))
      assert.deepInclude(dead, { _tag: "ReauthorizationRequired", reason: "refused" })
      const down = new TokenEndpointError({ reason: "unavailable" })
      assert.strictEqual(yield* Effect.flip(Effect.provide(ask, FakeTokenProvider.layer(down))), down)
    })
  )

  it.effect("a login heals, and an expired token is followed by a good one", () =>
    Effect.gen(function* () {
      const dead = yield* FakeTokenProvider.make("log in again")
      assert.isTrue((yield* dead.status).reauthorizationRequired)
      yield* dead.put(TokenSet.make({ accessToken: "put", expiresIn: "1 hour" }))
      assertSameToken(yield* dead.get, "put")
      assert.isFalse((yield* dead.status).reauthorizationRequired)
      const expired = yield* FakeTokenProvider.make("an expired one")
      assertSameToken(yield* expired.refresh, "access-2")
    })
  )

  it("as promises", async () => {
    await using client = TokenClient.make(FakeTokenProvider.layer())
    assert.strictEqual(await client.token(), "access-1")
  })
})

describe("assertions that cannot pass by accident", () => {
  const [one, another] = [Redacted.make("secret-of-one"), Redacted.make("secret-of-another")]

  it("two tokens are the same where their secrets are, whatever they come in", () => {
    assert.deepStrictEqual(one, another, "this is why")
    assertSameToken(one, "secret-of-one")
    assertSameToken(TokenSet.make({ accessToken: "secret-of-one" }), { value: one })
    assertOtherToken(one, another)
    for (const wrong of [
      () => assertSameToken(one, another),
      () => assertSameToken(undefined, undefined),
      () => assertSameToken("", ""),
      () => assertOtherToken(one, { value: one }),
      () => assertOtherToken(one, undefined)
    ]) {
      assert.throws(wrong, AssertionFailed)
      try {
        wrong()
      } catch (error) {
        assert.notInclude(`${error}`, "secret-of")
      }
    }
    assert.throws(() => assertSameToken("access-1", "access-2"), /expected the token access-2, but it is access-1/)
  })

  it.effect("so many requests, and no refresh token twice; with none presented nothing is shown", () =>
    Effect.gen(function* () {
      const fake = FakeTokenSource.make()
      const { login = Effect.dieMessage("none"), refresh } = yield* fake.source
      assert.throws(() => assertPosts(fake, 1), /expected 1 token requests, but there were 0/)
      assert.throws(() => assertNoReuse(fake), /no refresh token was presented/)
      const first = yield* login
      assert.throws(() => assertNoReuse(fake), AssertionFailed)
      yield* refresh?.(first) ?? Effect.void
      assertNoReuse(fake)
      assertPosts(fake, 2)
      yield* Effect.ignore(refresh?.(first) ?? Effect.void)
      assert.throws(() => assertNoReuse(fake), /presented again, 1 times/)
      assert.throws(() => assertPosts(fake, 2), /refresh refresh-1 GrantRejected/)
    })
  )

  it("a text holds no secret, in no form; without a text or a secret nothing is shown", () => {
    const fake = FakeTokenSource.make()
    assert.throws(() => assertNoSecret("a log", fake), /no secret that could be/)
    fake.login()
    assertNoSecret("a log", fake)
    assert.throws(() => assertNoSecret("", fake), /no text/)
    assert.throws(() => assertNoSecret("token=access-1&x", fake), AssertionFailed)
    const odd = 'a"b/c+d e?ü'
    for (const form of [
      odd,
      encodeURIComponent(odd),
      JSON.stringify({ odd }),
      btoa(unescape(encodeURIComponent(odd)))
    ]) {
      assert.throws(() => assertNoSecret(`…${form}…`, [Redacted.make(odd)]), AssertionFailed)
    }
    assert.throws(() => assertNoSecret("a log", []), AssertionFailed)
  })
})

describe("FakeClock", () => {
  const clock = FakeClock.make()
  const at = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1_000)

  it.live("wakes each sleeper at its own instant, in order, and goes on to where it was told", () =>
    Effect.gen(function* () {
      const woke: Array<number> = []
      const sleeps = (seconds: number) =>
        Effect.zipRight(
          Effect.sleep(seconds * 1_000),
          Effect.map(at, (at) => woke.push(at))
        )
      const all = yield* Effect.fork(Effect.all([sleeps(3), sleeps(1), sleeps(2)], { concurrency: "unbounded" }))
      const late = yield* Effect.fork(sleeps(9))
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual([woke, yield* at, [...(yield* TestClock.sleeps())]], [[1, 2, 3], 4, [9_000]])
      yield* Fiber.join(all)
      yield* Fiber.interrupt(late)
      assert.deepStrictEqual([...(yield* TestClock.sleeps())], [])
      yield* TestClock.setTime(10_000)
      assert.strictEqual(yield* at, 10)
    }).pipe(Effect.withClock(clock))
  )

  it.live("where it is set, the wall clock steps, and sleeps take as long as they do", () =>
    Effect.gen(function* () {
      const steady = yield* Clock.currentTimeNanos
      const sleeping = yield* Effect.fork(Effect.sleep("10 seconds"))
      yield* TestClock.adjust("5 seconds")
      clock.setBack("1 hour")
      assert.strictEqual(yield* at, 15 - 3_600)
      yield* TestClock.adjust("4 seconds")
      assert.isNull(sleeping.unsafePoll())
      clock.setAhead("2 hours")
      yield* TestClock.adjust("1 second")
      assert.isNotNull(sleeping.unsafePoll())
      assert.strictEqual(yield* at, 20 + 3_600)
      assert.strictEqual((yield* Clock.currentTimeNanos) - steady, 10_000_000_000n)
    }).pipe(Effect.withClock(clock))
  )

  it.live("lets what wakes do all its work before the next one wakes", () =>
    Effect.gen(function* () {
      let looks = 0
      const look = Effect.zipRight(
        Effect.promise(() => new Response("x").text()),
        Effect.sync(() => looks++)
      )
      yield* Effect.fork(Effect.repeat(look, Schedule.spaced("1 minute")))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(looks, 1 + 24 * 60)
    }).pipe(Effect.withClock(FakeClock.make()))
  )
})
