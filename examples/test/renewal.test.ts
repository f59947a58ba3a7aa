import { assert, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Redacted, TestClock } from "effect"

it.scoped("my app has a new token before the old one ends", () =>
  Effect.gen(function* () {
    let logins = 0
    const login = Effect.sync(() => TokenSet.make({ accessToken: `token-${++logins}`, expiresIn: "1 hour" }))
    const provider = yield* TokenProvider.make({ key: "mine", source: TokenSource.make({ login }) })

    assertEquals((yield* provider.get).value, Redacted.make("token-1"))
    yield* TestClock.adjust("59 minutes")
    assertEquals((yield* provider.get).value, Redacted.make("token-2"))
    assert.strictEqual(logins, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)
