import { assert, describe, it } from "@effect/vitest"
import { TokenProviders, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Duration, Effect, Layer, TestClock } from "effect"
import { Pulse, workerBeats } from "../src/observability/Pulse.js"

describe("the pulse", () => {
  it.scoped("of a worker beats for as long as it asks what is due, and is missed five minutes after it stopped", () =>
    Effect.gen(function* () {
      const pulse = yield* Pulse
      let hangs = false
      const store = yield* workerBeats()
      const stuck = {
        ...store,
        due: (claim: Parameters<typeof store.due>[0]) => (hangs ? Effect.never : store.due(claim))
      }
      yield* Effect.provideService(TokenWorker.beside(), TokenStore, stuck)
      for (let minute = 0; minute < 20; minute++) yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* pulse.still, [])
      hangs = true
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* pulse.still, [])
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* pulse.still, ["worker"])
    }).pipe(Effect.provide(Layer.mergeAll(Pulse.layer, Layer.provideMerge(providers, MemoryTokenStore.layer))))
  )

  it.effect("of a worker that looks seldom is not missed sooner than it looks", () =>
    Effect.gen(function* () {
      const pulse = yield* Pulse
      yield* workerBeats(Duration.hours(1))
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* pulse.still, [])
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(yield* pulse.still, ["worker"])
    }).pipe(Effect.provide(Layer.merge(Pulse.layer, MemoryTokenStore.layer)))
  )
})

const login = Effect.succeed(TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }))
const providers = TokenProviders.layer({ source: () => TokenSource.make({ login }) })
