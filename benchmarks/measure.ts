import { performance } from "node:perf_hooks"
import { Record, Struct } from "effect"

/** One figure against its budget, both as ratios. */
export interface Row {
  readonly what: string
  readonly figure: string
  readonly budget: string
  readonly kept: boolean
}

/** What the rounds of one contender took, in milliseconds. */
export interface Times {
  readonly median: number
  readonly times: ReadonlyArray<number>
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Runs the contenders in turn, round by round, so that a machine that changes its speed changes it for all. Gives the median of each, in milliseconds. */
export const inTurn = async <Name extends string>(
  contenders: Record<Name, () => Promise<unknown>>,
  rounds: number
): Promise<Record<Name, Times>> => {
  const all = Record.map(contenders, (): Array<number> => [])
  for (let round = -2; round < rounds; round++) {
    for (const name of Struct.keys(contenders)) {
      const start = performance.now()
      await contenders[name]()
      if (round >= 0) all[name].push(performance.now() - start)
    }
  }
  return Record.map(all, (times) => ({ median: median(times), times }))
}

/** The median of a/b, pair by pair. */
export const ratio = (a: Times, b: Times): number =>
  median(a.times.map((time, at) => time / (b.times[at] ?? Number.NaN)))

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
