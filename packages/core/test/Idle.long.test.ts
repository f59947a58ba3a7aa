import { assert, describe, it } from "@effect/vitest"
import { TokenProviders, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Exit } from "effect"
import { contained, Dice, Machine, World } from "../src/testing/World.js"

describe("what a process keeps of a key that nobody uses", () => {
  it("nothing, after 2,000 refreshes that two processes contended for", () => {
    let posts = 0
    const login = Effect.delay(
      Effect.sync(() => TokenSet.make({ accessToken: `token-${++posts}`, expiresIn: "1 day" })),
      "1 second"
    )
    const program = Effect.gen(function* () {
      const options = { source: () => TokenSource.make({ login }), idle: "10 minutes" } as const
      const pools = [yield* TokenProviders.make(options), yield* TokenProviders.make(options)]
      const keys = Array.from({ length: 20 }, (_, at) => `k${at}`)
      for (let round = 0; round < 100; round++) {
        const providers = yield* Effect.forEach(pools, (pool) => Effect.forEach(keys, pool.of))
        const all = providers.flat().map((provider) => provider.refresh)
        yield* Effect.all(all, { concurrency: "unbounded", discard: true })
      }
      yield* Effect.sleep("20 minutes")
      return yield* Effect.forEach(pools, (pool) => pool.size)
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
    const exit = contained(() => {
      const world = new World(new Dice(1), false)
      const running = new Machine(world, "both", 0, "both").run(program)
      world.run(3_600_000)
      return running.unsafePoll()
    })
    assert.isAtLeast(posts, 2_000)
    assert.deepStrictEqual(exit, Exit.succeed([0, 0]))
  })
})
