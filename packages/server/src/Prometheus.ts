import { Effect, Metric, MetricState } from "effect"

/** The metrics of this process in the text format of Prometheus. */
export const text: Effect.Effect<string> = Effect.map(Metric.snapshot, (pairs) => {
  const families = new Map<string, { readonly help: string; readonly type: string; readonly lines: Array<string> }>()
  for (const { metricKey, metricState } of pairs) {
    if (!metricKey.name.startsWith("evertoken_")) continue
    const labels = metricKey.tags.map(({ key, value }) => `${key}="${escaped(value)}"`)
    const line = (suffix: string, value: number | bigint, more: ReadonlyArray<string> = []) => {
      const all = [...labels, ...more].join(",")
      return `${metricKey.name}${suffix}${all === "" ? "" : `{${all}}`} ${value}`
    }
    const lines: Array<string> = []
    let type = "untyped"
    if (MetricState.isCounterState(metricState)) {
      type = "counter"
      lines.push(line("_total", metricState.count))
    } else if (MetricState.isGaugeState(metricState)) {
      type = "gauge"
      lines.push(line("", metricState.value))
    } else if (MetricState.isHistogramState(metricState)) {
      type = "histogram"
      for (const [bound, count] of metricState.buckets) {
        lines.push(line("_bucket", count, [`le="${Number.isFinite(bound) ? bound : "+Inf"}"`]))
      }
      lines.push(line("_sum", metricState.sum), line("_count", metricState.count))
    }
    const name = type === "counter" ? `${metricKey.name}_total` : metricKey.name
    const help = metricKey.description._tag === "Some" ? metricKey.description.value : ""
    const family = families.get(name) ?? { help, type, lines: [] }
    families.set(name, family)
    family.lines.push(...lines)
  }
  return [...families]
    .map(([name, { help, lines, type }]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("\n")}\n`)
    .join("")
})

const escaped = (value: string) => value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"')
