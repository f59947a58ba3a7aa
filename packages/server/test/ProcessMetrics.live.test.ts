import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeProcessMetrics } from "../src/observability/ProcessMetrics.js"

describe("the metrics of the process", () => {
  it.scopedLive("tell for how long the event loop stood still, since they were asked last", () =>
    Effect.gen(function* () {
      const ask = yield* makeProcessMetrics
      const lag = Effect.map(ask, (all) => all.find(({ name }) => name === "nodejs_eventloop_lag_seconds")?.samples[0])
      yield* Effect.sleep("100 millis")
      const until = performance.now() + 400
      while (performance.now() < until);
      yield* Effect.sleep("100 millis")
      assert.isAtLeast(Number((yield* lag)?.value), 0.35)
      // A busy machine lets it stand still for as long, but not each time.
      const next = Effect.delay(lag, "200 millis")
      const later = yield* Effect.repeat(next, { until: (sample) => Number(sample?.value) < 0.35, times: 50 })
      assert.isBelow(Number(later?.value), 0.35)
    })
  )

  it.scoped("name the version in the package's own file", () =>
    Effect.gen(function* () {
      const all = yield* yield* makeProcessMetrics
      const { default: own } = yield* Effect.promise(() => import("../package.json", { with: { type: "json" } }))
      assert.deepStrictEqual(all.find(({ name }) => name === "evertoken_build_info")?.samples, [
        { value: 1, labels: { version: own.version } }
      ])
    })
  )
})
