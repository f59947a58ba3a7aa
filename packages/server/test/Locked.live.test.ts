import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { locked } from "../../store-sql/test/LockedFile.js"
import { readExposition } from "./Exposition.js"
import { servingOn } from "./Serving.js"

/** How many seconds the driver would stop the process for a lock. */
const DRIVER_WAITS = 5

describe("the service's process, while another has its SQLite file locked", () => {
  it.scopedLive(
    "goes on: /health and fresh tokens are answered, and what is put is saved once the lock is free (P6, P14)",
    () =>
      Effect.gen(function* () {
        const { call, env } = yield* servingOn()
        const put = (key: string) =>
          call("/v1/token", {
            method: "PUT",
            body: JSON.stringify({ key, accessToken: `of ${key}`.replace(" ", "-"), expiresIn: 300 })
          })
        assert.strictEqual((yield* put("fresh")).status, 200)
        const stoodStill = Effect.map(
          call("/metrics"),
          ({ text }) => readExposition(text).get("nodejs_eventloop_lag_seconds")?.samples[0]?.value
        )
        const lock = yield* locked(env.DATABASE_URL)
        yield* stoodStill
        const waiting = yield* Effect.fork(put("waits"))
        for (let at = 0; at < 20; at++) {
          yield* Effect.sleep("50 millis")
          assert.strictEqual((yield* call("/v1/token?key=fresh")).json.accessToken, "of-fresh")
          assert.strictEqual((yield* call("/health")).status, 200)
        }
        assert.isNull(waiting.unsafePoll())
        yield* lock.free
        assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
        assert.strictEqual((yield* call("/v1/token?key=waits")).json.accessToken, "of-waits")
        assert.isBelow((yield* stoodStill) ?? Number.NaN, DRIVER_WAITS / 2)
      })
  )
})
