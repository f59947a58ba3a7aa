/** A family of metrics, as Prometheus reads it. */
export interface Read {
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<{
    readonly name: string
    readonly labels: Record<string, string>
    readonly value: number
  }>
}

/**
 * Reads the text format of Prometheus 0.0.4, strictly: throws at a line that is none, a family that comes twice or
 * without HELP and TYPE, a series that comes twice, a counter that does not end in `_total` or falls below zero, and a
 * histogram whose buckets do not add up.
 */
export const readExposition = (text: string): ReadonlyMap<string, Read> => {
  const families = new Map<string, Read & { samples: Array<Read["samples"][number]> }>()
  const seen = new Set<string>()
  const no = (why: string, line: string): never => {
    throw new Error(`${why}: ${line}`)
  }
  if (!text.endsWith("\n")) no("the last line does not end", text.slice(-80))
  let help: readonly [name: string, text: string] | undefined
  let family: string | undefined
  for (const line of text.split("\n").slice(0, -1)) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? []
    if (kind === "HELP") {
      if (families.has(name)) no("a family comes twice", line)
      help = [name, rest]
      family = undefined
    } else if (kind === "TYPE") {
      if (help?.[0] !== name) no("a TYPE without its HELP", line)
      if (!["counter", "gauge", "histogram"].includes(rest)) no("no such type", line)
      if ((rest === "counter") !== name.endsWith("_total")) no("counters end in _total, and nothing else does", line)
      families.set(name, { type: rest, help: help?.[1] ?? "", samples: [] })
      family = name
    } else {
      const [, name = "", labels = "", value = ""] =
        /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\[\\n"])*",?)*)\})? (\S+)$/.exec(line) ?? []
      const owner = families.get(family ?? "")
      if (name === "" || owner === undefined) return no("no sample of a family", line)
      if (!isOf(family ?? "", owner.type, name)) no("a sample of another family", line)
      const series = `${name}{${labels}}`
      if (seen.has(series)) no("a series comes twice", line)
      seen.add(series)
      const number = value === "+Inf" ? Infinity : value === "-Inf" ? -Infinity : Number(value)
      if (Number.isNaN(number) && value !== "NaN") no("no number", line)
      if (owner.type === "counter" && !(number >= 0)) no("a counter below zero", line)
      owner.samples.push({ name, labels: labelsOf(labels), value: number })
    }
  }
  for (const [name, { samples, type }] of families) if (type === "histogram") checkBuckets(name, samples)
  return families
}

const isOf = (family: string, type: string, sample: string) =>
  type === "histogram" ? ["_bucket", "_sum", "_count"].some((end) => sample === family + end) : sample === family

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"/g)].map(([, name = "", value = ""]) => [
      name,
      value.replace(/\\(.)/g, (_, one) => (one === "n" ? "\n" : one))
    ])
  )

const checkBuckets = (name: string, samples: Read["samples"]) => {
  const counts = samples
    .filter((one) => one.name === `${name}_bucket`)
    .map(({ labels, value }) => [labels.le, value] as const)
  const total = samples.find((one) => one.name === `${name}_count`)?.value
  for (const [at, [, value]] of counts.entries()) {
    if (value < (counts[at - 1]?.[1] ?? 0)) throw new Error(`${name}: its buckets fall`)
  }
  const last = counts.at(-1)
  if (last?.[0] !== "+Inf" || last[1] !== total) throw new Error(`${name}: its last bucket is not all`)
}
