import { it } from "@effect/vitest"
import { storeContract } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

const makeMyBackend = MemoryTokenStore.backend()

for (const { test, title } of storeContract) {
  it.effect(title, () => Effect.flatMap(makeMyBackend, (backend) => test({ backend })))
}
