import { KeyValueStore } from "@effect/platform"
import { describe, it } from "@effect/vitest"
import { storeContract } from "@evertoken/core/testing"
import { Effect } from "effect"
import { backend } from "../key-value-store.js"

// What it cannot promise, it cannot promise to two processes; within one it keeps every sentence.
describe("a store on a KeyValueStore keeps the contract within one process", () => {
  for (const { test, title } of storeContract) {
    it.effect(title, () =>
      Effect.flatMap(backend, (backend) => test({ backend })).pipe(Effect.provide(KeyValueStore.layerMemory))
    )
  }
})
