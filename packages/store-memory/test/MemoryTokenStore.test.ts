import { describe, it } from "@effect/vitest"
import { storeContract } from "@evertoken/core/testing"
import { Effect } from "effect"
import { store } from "./Settable.js"

describe("MemoryTokenStore keeps the contract", () => {
  for (const { test, title } of storeContract) it.effect(title, () => Effect.flatMap(store, test))
})
