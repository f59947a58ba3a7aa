import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { run } from "./Bin.js"
import { preloaded, servingOn } from "./Serving.js"

/**
 * From the first SIGUSR2 on, no timer of a tenth of a second or more ever fires, and with each
 * of them the steady clock goes forth by six minutes. The event loop turns on, and so does all that needs no timer.
 */
const STUCK = `
  const { setTimeout } = globalThis
  const { bigint } = process.hrtime
  let ahead = 0n
  globalThis.setTimeout = (fire, wait, ...args) =>
    setTimeout(() => { if (ahead === 0n || !(wait >= 100)) fire(...args) }, wait)
  process.hrtime.bigint = () => bigint() + ahead
  process.on("SIGUSR2", () => { ahead += 360_000_000_000n })
`

describe("/health of the service's process", () => {
  it.scopedLive("is 503 where it answers, but its worker stands still for good; and 200 once it was restarted", () =>
    Effect.gen(function* () {
      const { bin, call, env } = yield* servingOn({ more: preloaded(STUCK) })
      yield* bin.says(/Worker: at work/)
      assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
      assert.deepStrictEqual((yield* call("/health")).json, { status: "up" })
      const { json, status } = yield* call("/health").pipe(
        Effect.zipLeft(Effect.sync(() => process.kill(bin.pid, "SIGUSR2"))),
        Effect.repeat({
          schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo("20 seconds")),
          until: (answer) => answer.status !== 200
        }),
        Effect.zipRight(call("/health"))
      )
      assert.deepStrictEqual([status, json._tag, json.message], [503, "Stalled", STALLED])
      // It is no less able to answer than before; nothing else says that nobody renews ahead any more.
      assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
      assert.isTrue(bin.isAlive())
      yield* bin.kill("SIGKILL")
      yield* bin.ended
      yield* (yield* run([], { ...env, NODE_OPTIONS: "" })).says(/Listening/)
      assert.strictEqual((yield* call("/health")).status, 200)
    })
  )
})

const STALLED = "The worker stands still; restart this process"
