import { describe, it } from "@effect/vitest"
import { storeContract } from "@evertoken/core/testing"
import { Effect } from "effect"
import { store } from "./Settable.js"

describe("MemoryTokenStore keeps the contract on the real clock", () => {
  for (const { test, title } of storeContract) it.live(title, () => Effect.flatMap(store, test))
})
