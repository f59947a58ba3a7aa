import { it } from "@effect/vitest"
import { TokenProvider } from "@evertoken/core"
import { assertPosts, assertSameToken, FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, TestClock } from "effect"

it.scoped("my app has a new token before the old one ends", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ expiresIn: "1 hour" })
    const provider = yield* TokenProvider.make({ key: "mine", source: fake.source })

    assertSameToken(yield* provider.get, "access-1")
    yield* TestClock.adjust("59 minutes")
    assertSameToken(yield* provider.get, "access-2")
    assertPosts(fake, 2)
  }).pipe(Effect.provide(MemoryTokenStore.layer))
)
