import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Duration, Effect, Exit } from "effect"
import { contained, Dice, Machine, World } from "../src/testing/World.js"
import { harmed } from "./support/Store.js"

const EACH = 500
const LIVE = 50
const MINUTES = 2
const LIVES = "20 seconds"

const tokens = (expiresIn: "20 seconds" | "1 millis" = LIVES) =>
  TokenSet.make({ accessToken: "access", refreshToken: "refresh", expiresIn })

describe("P9: rows that nobody can help", () => {
  it("of two kinds and 1,000 in all hold up none of 50 tokens that live for 20 seconds", () => {
    let renewals = 0
    const program = Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const due: typeof backend.due = (claim) => Effect.delay(backend.due(claim), "2 millis")
      // A store that takes a moment, as all do but the one in memory.
      const store = harmed({ ...backend, due }, (_, __, does) => Effect.delay(does, "2 millis"))
      for (let at = 0; at < EACH; at++) {
        yield* backend.put(`unreadable-${at}`, { expected: undefined, generation: 1, payload: "no tokens", dueIn: 0 })
        const generation = yield* store.put(`in-doubt-${at}`, tokens("1 millis"), 0)
        const lease = { owner: "killed", known: generation, lasts: 1, presents: true, force: false }
        yield* backend.lease(`in-doubt-${at}`, lease)
        if (at % 50 === 0) yield* Effect.sleep("1 millis")
      }
      for (let at = 0; at < LIVE; at++) yield* store.put(`live-${at}`, tokens(), 10_000)
      yield* TokenWorker.make({
        source: (key) =>
          TokenSource.make({
            replay: "never",
            refresh: () =>
              key.startsWith("live")
                ? Effect.delay(
                    Effect.sync(() => {
                      renewals++
                      return tokens()
                    }),
                    "100 millis"
                  )
                : Effect.dieMessage(`${key} was asked for`)
          }),
        policy: RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("10 seconds") })
      }).pipe(Effect.provideService(TokenStore, store))

      const ended = new Set<string>()
      for (let second = 0; second < MINUTES * 60; second++) {
        yield* Effect.sleep("1 second")
        const now = yield* Clock.currentTimeMillis
        for (let at = 0; at < LIVE; at++) {
          const { row } = yield* backend.load(`live-${at}`)
          if ((row?.refreshedAt ?? 0) + Duration.toMillis(LIVES) <= now) ended.add(`live-${at}`)
        }
      }
      return [...ended]
    }).pipe(Effect.scoped)
    const world = new World(new Dice(1), false)
    const exit = contained(() => {
      const running = new Machine(world, "worker", 0, "worker").run(program)
      world.run(600_000)
      return running.unsafePoll()
    })
    if (exit === null || Exit.isFailure(exit)) return assert.fail(`it did not end: ${exit}`)
    assert.deepStrictEqual(exit.value, [])
    assert.isAtLeast(renewals, LIVE * MINUTES * 3)
  })
})
