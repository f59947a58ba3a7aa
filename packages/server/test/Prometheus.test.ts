import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, MetricBoundaries } from "effect"
import * as Prometheus from "../src/observability/Prometheus.js"
import { readExposition } from "./Exposition.js"

describe("the text format of Prometheus", () => {
  it("escapes labels and help, and writes numbers that are none as Prometheus does", () => {
    const label = 'a "quoted" \\ path\nand # HELP forged 1'
    const text = Prometheus.text([
      Prometheus.gauge("b", "help with \\ and\n# TYPE forged gauge", Number.POSITIVE_INFINITY, { label }),
      Prometheus.gauge("a", "first", Number.NaN)
    ])
    assert.strictEqual(
      text,
      "# HELP a first\n# TYPE a gauge\na NaN\n" +
        "# HELP b help with \\\\ and\\n# TYPE forged gauge\n# TYPE b gauge\n" +
        'b{label="a \\"quoted\\" \\\\ path\\nand # HELP forged 1"} +Inf\n'
    )
    assert.deepStrictEqual(readExposition(text).get("b")?.samples, [{ name: "b", labels: { label }, value: Infinity }])
  })

  it.effect("counters end in _total, the buckets of a histogram add up, and a family is one", () =>
    Effect.gen(function* () {
      const counter = Metric.counter("evertoken_test_things", { incremental: true })
      yield* Metric.increment(Metric.tagged(counter, "kind", "a"))
      yield* Metric.incrementBy(Metric.tagged(counter, "kind", "b"), 2)
      const histogram = Metric.histogram("evertoken_test_seconds", MetricBoundaries.fromIterable([0.1, 1]))
      for (const seconds of [0.05, 0.5, 0.5, 5]) yield* Metric.update(histogram, seconds)
      const read = readExposition(Prometheus.text(yield* Prometheus.counted))
      const things = read.get("evertoken_test_things_total")?.samples.map(({ labels, value }) => [labels.kind, value])
      assert.sameDeepMembers(things ?? [], [
        ["a", 1],
        ["b", 2]
      ])
      assert.deepStrictEqual(
        read
          .get("evertoken_test_seconds")
          ?.samples.map(({ labels, name, value }) => [name.slice(22), labels.le, value]),
        [
          ["_bucket", "0.1", 1],
          ["_bucket", "1", 3],
          ["_bucket", "+Inf", 4],
          ["_sum", undefined, 6.05],
          ["_count", undefined, 4]
        ]
      )
    })
  )
})
