import { assert, it } from "@effect/vitest"
import { ReauthorizationRequired, TokenProvider, TokenSource, TokenStore, TokenStoreError } from "@evertoken/core"
import { Effect, Exit, Fiber, Layer, Stream, TestClock } from "effect"

// A fake store that is down, of which only the members that are used have to be written.
const StoreDown = Layer.mock(TokenStore, {
  load: () => new TokenStoreError({ reason: "unreachable" }),
  changes: Stream.never
})

it.scoped("my app tells its user to try later while the store is down", () =>
  Effect.gen(function* () {
    const login = Effect.die("a login without the store")
    const provider = yield* TokenProvider.make({ key: "mine", source: TokenSource.make({ login }) })
    const caller = yield* Effect.fork(Effect.flip(provider.get))
    yield* TestClock.adjust("30 seconds")
    assert.strictEqual((yield* Fiber.join(caller))._tag, "TokenStoreError")
  }).pipe(Effect.provide(StoreDown))
)

// A fake provider, for code that only asks for tokens.
const LoggedOut = Layer.mock(TokenProvider, {
  key: "mine",
  get: new ReauthorizationRequired({ key: "mine", reason: "refused" })
})

it.effect("my app sends the person to log in where the grant is dead", () =>
  Effect.gen(function* () {
    const provider = yield* TokenProvider
    const page = provider.get.pipe(
      Effect.as("invoices"),
      Effect.catchTag("ReauthorizationRequired", () => Effect.succeed("log in"))
    )
    assert.deepStrictEqual(yield* Effect.exit(page), Exit.succeed("log in"))
  }).pipe(Effect.provide(LoggedOut))
)
