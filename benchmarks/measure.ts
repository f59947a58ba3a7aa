import { performance } from "node:perf_hooks"

/** One figure against its budget, both as ratios. */
export interface Row {
  readonly what: string
  readonly figure: string
  readonly budget: string
  readonly kept: boolean
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Runs the contenders in turn, round by round, so that a machine that changes its speed changes it for all. Gives the median of each, in milliseconds. */
export const inTurn = async <Name extends string>(
  contenders: Record<Name, () => Promise<unknown>>,
  rounds: number
): Promise<Record<Name, { readonly median: number; readonly times: ReadonlyArray<number> }>> => {
  const names = Object.keys(contenders) as Array<Name>
  const times = new Map<Name, Array<number>>(names.map((name) => [name, []]))
  for (let round = -2; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now()
      await contenders[name]()
      if (round >= 0) times.get(name)?.push(performance.now() - start)
    }
  }
  const summary = names.map((name) => {
    const all = times.get(name) ?? []
    return [name, { median: median(all), times: all }] as const
  })
  return Object.fromEntries(summary) as Record<Name, { readonly median: number; readonly times: ReadonlyArray<number> }>
}

/** The median of a/b, pair by pair. */
export const ratio = (
  a: { readonly times: ReadonlyArray<number> },
  b: { readonly times: ReadonlyArray<number> }
): number => median(a.times.map((time, at) => time / (b.times[at] ?? Number.NaN)))

export const within = (what: string, ratio: number, most: number): Row => ({
  what,
  figure: `${ratio.toFixed(2)} ×`,
  budget: `≤ ${most} ×`,
  kept: ratio <= most
})

export const print = (rows: ReadonlyArray<Row>): void => {
  for (const { budget, figure, kept, what } of rows) {
    console.log(`${kept ? "✓" : "✗"} ${what.padEnd(72)} ${figure.padStart(12)}   ${budget}`)
  }
}
