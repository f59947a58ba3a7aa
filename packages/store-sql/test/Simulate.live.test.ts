import { it } from "@effect/vitest"
import { simulate } from "@evertoken/core/testing"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect } from "effect"
import { mysql, onEach, postgres, sqliteFile } from "./Database.js"
import { withClock } from "./SetClock.js"

onEach(
  (name) => `histories with crashes, on ${name}`,
  (setting) => {
    it.live(
      "the tables keep what they are told, whoever dies and whatever answer is lost (P1, P2, P4, P5, P10)",
      () => {
        const clock = { ahead: 0 }
        let tables = 0
        const open = Effect.gen(function* () {
          const table = setting().table(`history${tables++}`)
          yield* SqlTokenStore.migrate({ table })
          const backend = yield* SqlTokenStore.backend({ table })
          const setBack = (millis: number) =>
            Effect.sync(() => {
              clock.ahead -= Math.round(millis)
            })
          return { backend, setBack }
        })
        return simulate(open, { histories: 3 }).pipe(withClock(clock), Effect.provide(setting().connect()))
      }
    )
  },
  [sqliteFile, postgres, mysql]
)
