import { HttpClient } from "@effect/platform"
import { assert, it } from "@effect/vitest"
import { OAuth2, TokenClient, TokenEndpointError, TokenHttpClient, TokenProvider } from "@evertoken/core"
import {
  assertNoReuse,
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
import { Effect, Fiber, TestClock } from "effect"

it.scoped("a new token is there before the old one ends", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
    const { get } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* get
    yield* TestClock.adjust("9 minutes")
    assertPosts(fake, 2)
    assertSameToken(yield* get, "access-2")
    assertPosts(fake, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a 401 costs one refresh, and the call is made again", () =>
  Effect.gen(function* () {
    const server = FakeAuthorizationServer.make()
    const api = FakeResourceServer.make({ authority: server, answer: () => new Response("invoices") })
    const { tokenEndpoint } = server
    const source = OAuth2.clientCredentials({ tokenEndpoint, clientId: "app" })
    const http = yield* TokenHttpClient.make({
      provider: TokenProvider.make({ key: "mine", source }),
      baseUrl: "https://api.example.com"
    }).pipe(Effect.provideService(HttpClient.HttpClient, api.client))
    yield* http.get("/invoices")
    server.expire()
    assert.strictEqual(yield* (yield* http.get("/invoices")).text, "invoices")
    assert.deepStrictEqual(api.tokens(), ["Bearer access-1", "Bearer access-1", "Bearer access-2"])
    assertPosts(server, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("nobody notices an outage while the token holds", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
    const { get } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* get
    fake.always({ fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) })
    while (fake.posts() < 4) yield* TestClock.adjust("15 seconds")
    assertSameToken(yield* get, "access-1")
    fake.always()
    yield* TestClock.adjust("30 seconds")
    assertSameToken(yield* get, "access-2")
    assertNoReuse(fake)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a dead grant sends the person to log in", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false })
    const { get, put, refresh } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* put(fake.login())
    fake.revoke()
    const page = refresh.pipe(
      Effect.as("invoices"),
      Effect.catchTag("ReauthorizationRequired", () => Effect.succeed("log in"))
    )
    assert.strictEqual(yield* page, "log in")
    yield* put(fake.login())
    assertSameToken(yield* get, "access-2")
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("two processes on one store refresh once", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false })
    const make = TokenProvider.make({ key: "mine", source: fake.source })
    const [one, another] = [yield* make, yield* make]
    yield* one.put(fake.login())
    yield* TestClock.adjust("1 hour")
    const tokens = yield* Effect.all([one.get, another.get], { concurrency: "unbounded" })
    for (const token of tokens) assertSameToken(token, "access-2")
    assertPosts(fake, 1)
    assertNoReuse(fake)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a logout during a refresh is final", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false })
    const { forget, get, put, refresh } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* put(fake.login())
    fake.next({ answersAfter: "2 seconds" })
    const refreshing = yield* Effect.fork(Effect.flip(refresh))
    yield* TestClock.adjust("1 second")
    yield* forget
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Fiber.join(refreshing))._tag, "ReauthorizationRequired")
    assert.strictEqual((yield* Effect.flip(get))._tag, "ReauthorizationRequired")
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a clock that is set makes no token last longer", () => {
  const clock = FakeClock.make()
  return Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
    const { get } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    const first = yield* get
    clock.setBack("1 hour")
    yield* TestClock.adjust("10 minutes")
    const second = yield* get
    assertOtherToken(second, first)
    clock.setAhead("1 hour")
    assertOtherToken(yield* get, second)
    assertNoReuse(fake)
  }).pipe(Effect.provide(MemoryTokenStore.layer), Effect.withClock(clock))
})

it.scoped("an answer that got lost spends no refresh token twice while the old token holds", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false, expiresIn: "10 minutes", replay: "never" })
    const { get, put } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* put(fake.login())
    fake.next({ lost: true })
    yield* TestClock.adjust("9 minutes")
    assertSameToken(yield* get, "access-1")
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* Effect.flip(get))._tag, "RefreshInDoubt")
    assert.deepStrictEqual(fake.log, [{ by: "refresh", presented: "refresh-1", outcome: "lost" }])
    assertNoReuse(fake)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.effect("an app that needs no more than a token", () =>
  Effect.gen(function* () {
    const page = Effect.flatMap(TokenProvider, ({ use }) => use(() => Effect.succeed("invoices"))).pipe(
      Effect.catchTag("ReauthorizationRequired", () => Effect.succeed("log in")),
      Effect.catchTag("Unauthorized", () => Effect.succeed("not for you"))
    )
    assert.strictEqual(yield* Effect.provide(page, FakeTokenProvider.layer()), "invoices")
    assert.strictEqual(yield* Effect.provide(page, FakeTokenProvider.layer("log in again")), "log in")
    assert.strictEqual(yield* Effect.provide(page, FakeTokenProvider.layer("a refused one")), "not for you")
  })
)

it("the same without Effect", async () => {
  const fake = FakeTokenSource.make()
  await using client = TokenClient.make({ key: "mine", source: fake.source, store: MemoryTokenStore.layer })
  const [one, another] = await Promise.all([client.get(), client.get()])
  assertSameToken(one, another)
  assertPosts(fake, 1)
  await client.reject()
  assertOtherToken(await client.get(), one)
  assertNoReuse(fake)
})
