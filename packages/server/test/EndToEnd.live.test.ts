import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { endToEnd } from "./endToEnd.js"

const seconds = Number(process.env.EVERTOKEN_E2E_SECONDS ?? 20)

describe("two services, two workers, one database, an authorization server that knows reuse", () => {
  it.scopedLive(
    `every process is killed in turn for ${seconds} s: no client fails, no refresh token is used twice for nothing`,
    () =>
      Effect.gen(function* () {
        const report = yield* endToEnd({ seconds, connections: seconds < 60 ? 60 : 200, clients: 10 })
        yield* Effect.sync(() => console.log(JSON.stringify({ ...report, failures: report.failures.length })))
        assert.deepStrictEqual(report.unexplained, [])
        assert.deepStrictEqual(report.missed, [])
        assert.deepStrictEqual(report.failures.slice(0, 3), [])
        assert.strictEqual(report.inactive, 0)
        assert.isAbove(report.calls, 0)
        assert.isAtLeast(report.kills, 4)
        assert.deepStrictEqual(
          report.exits.filter((code) => code !== 0 && code !== 130 && code !== 143),
          []
        )
      }),
    // However slow the machine is: this bounds only what would never end.
    3_600_000
  )
})
