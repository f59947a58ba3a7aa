import test from "node:test"
import { TokenClient } from "@evertoken/core"
import { assertNoReuse, assertPosts, assertSameToken, FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"

test("ten callers ask once, and a newer token is asked for by the refresh token", async () => {
  const fake = FakeTokenSource.make()
  const client = TokenClient.make({ key: "mine", source: fake.source, store: MemoryTokenStore.layer })
  await Promise.all(Array.from({ length: 10 }, () => client.get()))
  assertPosts(fake, 1)
  assertSameToken(await client.refresh(), "access-2")
  assertNoReuse(fake)
  await client.dispose()
})
