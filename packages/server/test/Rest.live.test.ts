import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { type Bin, run } from "./Bin.js"
import { endpoint, storeAt } from "./Service.js"
import { servingOn } from "./Serving.js"

const MADE_UP = ["made/1", "made/2", "made/3"]
const KEYS = [...MADE_UP, "billing"]

describe("keys that names were made up for, beside the worker of the service's process", () => {
  it.scopedLive(
    "rest once nobody asks: no renewal goes out for their rows, and the next who asks has a token",
    () =>
      Effect.gen(function* () {
        const { authority, bin, call, env } = yield* servingOn({
          lifetime: "2 seconds",
          settings: { worker: { every: "100 millis" } },
          connections: (authority) => [
            { key: "made/*", grant: "client_credentials", ...endpoint(authority, "billing") }
          ]
        })
        for (const key of KEYS) assert.strictEqual((yield* call(`/v1/token?key=${key}`)).status, 200)
        const ended = (bin: Bin) =>
          Effect.gen(function* () {
            yield* bin.kill("SIGTERM")
            yield* bin.ended
            const store = yield* storeAt(env.DATABASE_URL)
            const rows = yield* Effect.forEach(KEYS, (key) => Effect.flatten(store.load(key)))
            const dues = rows.map(({ dueAt }) => dueAt !== undefined)
            assert.deepStrictEqual(dues, [false, false, false, true])
            return { generations: rows.map(({ generation }) => generation), requests: yield* requests }
          }).pipe(Effect.scoped)
        const requests = Effect.map(authority.tokenRequests, ({ length }) => length)
        // The next process remembers nobody who asked.
        const before = yield* ended(bin)
        const next = yield* run([], env)
        yield* next.says(/Listening/)
        // By then the tokens of all others have ended.
        const renewed = {
          schedule: Schedule.spaced("50 millis"),
          until: (count: number) => count >= before.requests + 3
        }
        yield* Effect.repeat(requests, renewed)
        assert.strictEqual((yield* call("/v1/token?key=made/1")).status, 200)
        const after = yield* ended(next)
        const [one = 0, two, three, billing = 0] = after.generations.map(
          (now, at) => now - (before.generations[at] ?? 0)
        )
        assert.isAtLeast(one, 1)
        assert.deepStrictEqual([two, three], [0, 0])
        assert.strictEqual(after.requests - before.requests, one + billing)
      }),
    300_000
  )
})
