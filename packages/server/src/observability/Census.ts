import type { Connection } from "@evertoken/client/api"
import type { TokenStore } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Scope } from "effect/Scope"
import { connectionOf } from "./ConnectionHealth.js"

/** How many connections there are of each health, and when the first refresh token ends. */
export interface Counts {
  readonly health: Readonly<Record<Connection["health"], number>>
  /** Epoch milliseconds. Of a connection that needs a login already it says nothing. */
  readonly loginBy: number | undefined
}

/**
 * Counts what is kept. Only what is in the sealed payload tells how a connection is doing, so each row is read: a page
 * at a time, with a rest after each that is ten times as long, and not again within five seconds. Whoever asks meanwhile
 * waits for a second at most, and gets the last counts, if there are any.
 */
export const makeCensus = (store: TokenStore["Type"]): Effect.Effect<Effect.Effect<Counts | undefined>, never, Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let counts: Counts | undefined
    let under: Fiber.RuntimeFiber<void> | undefined
    let next = 0

    const walk = Effect.gen(function* () {
      const health = { ...NONE }
      let loginBy: number | undefined
      for (let after: string | undefined, more = true; more; ) {
        const [took, rows] = yield* Effect.timed(store.page({ after, limit: PAGE }))
        const now = yield* Clock.currentTimeMillis
        for (const row of rows) {
          const one = connectionOf(row, now)
          health[one.health]++
          if (one.health !== "login" && one.loginBy !== undefined)
            loginBy = Math.min(one.loginBy, loginBy ?? one.loginBy)
        }
        after = rows.at(-1)?.key
        more = rows.length === PAGE
        if (more) yield* Effect.sleep(Duration.times(took, REST))
      }
      counts = { health, loginBy }
    })

    return Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (under === undefined && (now >= next || next - now > FRESH)) {
        const done = Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.sync(() => {
            next = now + FRESH
            under = undefined
          })
        )
        under = yield* Effect.forkIn(Effect.ensuring(Effect.ignore(walk), done), scope)
      }
      if (under !== undefined) yield* Effect.timeoutOption(Fiber.join(under), "1 second")
      return counts
    })
  })

const NONE: Counts["health"] = { ok: 0, idle: 0, failing: 0, down: 0, soon: 0, login: 0, unreadable: 0 }
const PAGE = 200
/** How much longer than a page its rest is. */
const REST = 10
const FRESH = Duration.toMillis("5 seconds")
