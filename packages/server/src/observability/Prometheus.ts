import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"

/** All samples of one name, as Prometheus takes them in. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly samples: ReadonlyArray<Sample>
}

export interface Sample {
  /** What follows the family's name: `_bucket`, `_sum`, `_count` of a histogram. */
  readonly suffix?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number | bigint
}

/** A gauge of one sample. */
export const gauge = (name: string, help: string, value: number, labels?: Sample["labels"]): Family => ({
  ...{ name, help, type: "gauge" },
  samples: [labels === undefined ? { value } : { value, labels }]
})

/** Our metrics of this process; the names of counters end in `_total`. */
export const counted: Effect.Effect<ReadonlyArray<Family>> = Effect.map(Metric.snapshot, (pairs) => {
  const families = new Map<string, Family & { readonly samples: Array<Sample> }>()
  for (const { metricKey, metricState } of pairs) {
    if (!metricKey.name.startsWith("evertoken_")) continue
    const labels = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
    const samples: Array<Sample> = []
    let type: Family["type"] = "gauge"
    if (MetricState.isCounterState(metricState)) {
      type = "counter"
      samples.push({ labels, value: metricState.count })
    } else if (MetricState.isGaugeState(metricState)) samples.push({ labels, value: metricState.value })
    else if (MetricState.isHistogramState(metricState)) {
      type = "histogram"
      for (const [bound, value] of metricState.buckets) {
        samples.push({ suffix: "_bucket", labels: { ...labels, le: numeral(bound) }, value })
      }
      samples.push({ suffix: "_sum", labels, value: metricState.sum })
      samples.push({ suffix: "_count", labels, value: metricState.count })
    } else continue
    const name = type === "counter" ? `${metricKey.name}_total` : metricKey.name
    const help = metricKey.description._tag === "Some" ? metricKey.description.value : name
    const family = families.get(name) ?? { name, help, type, samples: [] }
    families.set(name, family)
    family.samples.push(...samples)
  }
  return [...families.values()]
})

/** `families` in the text format of Prometheus, in the order of their names. */
export const text = (families: ReadonlyArray<Family>): string =>
  [...families]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ help, name, samples, type }) => {
      const lines = samples.map(({ labels = {}, suffix = "", value }) => {
        const all = Object.entries(labels).map(([key, value]) => `${key}="${escaped(value).replace(/"/g, '\\"')}"`)
        return `${name}${suffix}${all.length === 0 ? "" : `{${all.join(",")}}`} ${numeral(value)}\n`
      })
      return `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`
    })
    .join("")

const escaped = (text: string) => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")

const numeral = (value: number | bigint): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : `${value}`
