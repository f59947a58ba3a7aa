import { assert, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Effect, Layer, Redacted } from "effect"
import { mysql, onEach, postgres, sqliteFile } from "./Database.js"
import { rotatingGrant } from "./Grant.js"
import { withClock } from "./SetClock.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DUE = Array.from({ length: 20 }, (_, at) => `due ${at}`)
/** Milliseconds that a busy machine may take on top. */
const BUSY = 8_000

onEach(
  (name) => `a database whose clock is set, on ${name}`,
  (setting) => {
    for (const [step, title] of [
      [-HOUR, "an hour back"],
      [-MINUTE, "a minute back"],
      [MINUTE, "a minute ahead"],
      [HOUR, "an hour ahead"]
    ] as const) {
      it.live(
        `${title}: a killed holder delays no longer, what was due is claimed in time, no ended token is handed out (P5, P9)`,
        () => {
          const clock = { ahead: 0 }
          const table = setting().table(`clock${Math.abs(step)}${step < 0 ? "b" : "a"}`)
          return Effect.gen(function* () {
            const store = yield* TokenStore
            const backend = yield* SqlTokenStore.backend({ table })
            const [held, ended] = [rotatingGrant(), rotatingGrant()]
            const known = yield* store.put("held", held.ended, undefined)
            const lease = { owner: "killed", known, lasts: 2_000, presents: false, force: false }
            yield* store.lease("held", lease)
            const short = TokenSet.make({ accessToken: "access-1", refreshToken: "refresh-1", expiresIn: "500 millis" })
            yield* store.put("ended", short.obtained(yield* Clock.currentTimeMillis), undefined)
            yield* Effect.forEach(DUE, (key) => store.put(key, TokenSet.make({ accessToken: "at" }), 1_000))

            const before = (yield* backend.load("held")).now
            clock.ahead = step
            assert.closeTo((yield* backend.load("held")).now - before, step, BUSY)
            const began = yield* Clock.currentTimeMillis
            const took = Effect.map(Clock.currentTimeMillis, (now) => now - began)

            const left = new Set(DUE)
            while (left.size > 0 && (yield* took) < BUSY) {
              for (const { key } of yield* store.due({ limit: 100, lasts: 60_000 })) left.delete(key)
              yield* Effect.sleep("100 millis")
            }
            assert.deepStrictEqual([...left], [])
            const provider = (key: string, { source }: typeof held) => TokenProvider.make({ key, source })
            assert.strictEqual(Redacted.value((yield* (yield* provider("ended", ended)).get).value), "access-2")
            assert.strictEqual(Redacted.value((yield* (yield* provider("held", held)).get).value), "access-2")
            assert.isBelow(yield* took, lease.lasts + BUSY)
            assert.deepStrictEqual([held.alarms(), ended.alarms()], [0, 0])
          }).pipe(
            Effect.scoped,
            Effect.provide(Layer.provideMerge(SqlTokenStore.layer({ encryption: "off", table }), setting().connect())),
            withClock(clock)
          )
        }
      )
    }
  },
  [sqliteFile, postgres, mysql]
)
