import { describe, it } from "@effect/vitest"
import { storeContract } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

describe("MemoryTokenStore keeps the contract on the real clock", () => {
  for (const { test, title } of storeContract) {
    it.live(title, () => Effect.flatMap(MemoryTokenStore.backend(), (backend) => test({ backend })))
  }
})
