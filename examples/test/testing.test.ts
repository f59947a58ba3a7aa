import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { TokenClient, TokenEndpointError, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Fiber, Redacted, TestClock } from "effect"

it.scoped("a new token is there before the old one ends", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
    const { get } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* get
    yield* TestClock.adjust("9 minutes")
    assertEquals((yield* get).value, Redacted.make("access-2"))
    assert.lengthOf(fake.log, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a 401 costs one refresh, and the call is made again", () =>
  Effect.gen(function* () {
    const api = HttpClient.make((request) => {
      const status = request.headers.authorization === "Bearer access-1" ? 401 : 200
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("invoices", { status })))
    })
    const fake = FakeTokenSource.make()
    const http = yield* TokenHttpClient.make({
      provider: TokenProvider.make({ key: "mine", source: fake.source }),
      baseUrl: "https://api.example.com"
    }).pipe(Effect.provideService(HttpClient.HttpClient, api))
    assert.strictEqual((yield* http.get("/invoices")).status, 200)
    assert.lengthOf(fake.log, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("nobody notices an outage while the token holds", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
    const { get } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* get
    const down = { fails: new TokenEndpointError({ reason: "unavailable", status: 503 }) }
    fake.next(down, down, down)
    while (fake.log.length < 4) yield* TestClock.adjust("1 second")
    assertEquals((yield* get).value, Redacted.make("access-1"))
    yield* TestClock.adjust("30 seconds")
    assertEquals((yield* get).value, Redacted.make("access-2"))
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
    assertEquals((yield* get).value, Redacted.make("access-2"))
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("two processes on one store refresh once", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make()
    const make = TokenProvider.make({ key: "mine", source: fake.source })
    const [one, another] = [yield* make, yield* make]
    const tokens = yield* Effect.all([one.get, another.get], { concurrency: "unbounded" })
    for (const { value } of tokens) assertEquals(value, Redacted.make("access-1"))
    assert.lengthOf(fake.log, 1)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("a logout during a refresh is final", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false })
    const { forget, get, put, refresh } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* put(fake.login())
    fake.next({ takes: "2 seconds" })
    const refreshing = yield* Effect.fork(Effect.flip(refresh))
    yield* TestClock.adjust("1 second")
    yield* forget
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Fiber.join(refreshing))._tag, "ReauthorizationRequired")
    assert.strictEqual((yield* Effect.flip(get))._tag, "ReauthorizationRequired")
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it.scoped("an answer that got lost spends no refresh token twice while the old token holds", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false, expiresIn: "10 minutes", replay: "never" })
    const { get, put } = yield* TokenProvider.make({ key: "mine", source: fake.source })
    yield* put(fake.login())
    fake.next({ lost: true })
    yield* TestClock.adjust("9 minutes")
    assertEquals((yield* get).value, Redacted.make("access-1"))
    yield* TestClock.adjust("1 minute")
    assert.strictEqual((yield* Effect.flip(get))._tag, "RefreshInDoubt")
    assert.deepStrictEqual(fake.log, [{ by: "refresh", presented: "refresh-1", outcome: "lost" }])
    assert.strictEqual(fake.reuses(), 0)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)

it("the same without Effect", async () => {
  const fake = FakeTokenSource.make()
  await using client = TokenClient.make({ key: "mine", source: fake.source, store: MemoryTokenStore.layer })
  const tokens = await Promise.all([client.get(), client.get()])
  for (const { value } of tokens) assertEquals(value, Redacted.make("access-1"))
  assert.lengthOf(fake.log, 1)
})
