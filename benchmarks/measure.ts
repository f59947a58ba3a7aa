import { performance } from "node:perf_hooks"
import { Record, Struct } from "effect"

/** One figure against its budget. */
export interface Row {
  readonly what: string
  /** By the clock on the wall, which the machine's load moves. */
  readonly wall: string
  /** By the CPU time of this process: what counts where it is known. */
  readonly cpu?: string
  readonly budget: string
  readonly kept: boolean
}

/** What each round of one contender took, in milliseconds. */
export interface Times {
  readonly wall: ReadonlyArray<number>
  readonly cpu: ReadonlyArray<number>
}

/** Runs the contenders in turn, round by round, so that a machine that changes its speed changes it for all. */
export const inTurn = async <Name extends string>(
  contenders: Record<Name, () => Promise<unknown>>,
  rounds: number
): Promise<Record<Name, Times>> => {
  const all = Record.map(contenders, () => ({ wall: [] as number[], cpu: [] as number[] }))
  for (let round = -2; round < rounds; round++) {
    for (const name of Struct.keys(contenders)) {
      const [start, before] = [performance.now(), process.cpuUsage()]
      await contenders[name]()
      const [wall, { system, user }] = [performance.now() - start, process.cpuUsage(before)]
      if (round < 0) continue
      all[name].wall.push(wall)
      all[name].cpu.push((user + system) / 1_000)
    }
  }
  return all
}

/** The value below which that part of `values` lies. */
export const quantile = (values: ReadonlyArray<number>, part: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN

/** `a` beside `b`, pair by pair: kept where the median by CPU time is, or by the wall for `work` that other processes do. */
export const within = (what: string, a: Times, b: Times, most: number, work: "here" | "elsewhere" = "here"): Row => {
  const pairs = (kind: "wall" | "cpu") => a[kind].map((time, at) => time / (b[kind][at] ?? Number.NaN))
  const show = (ratios: ReadonlyArray<number>) => {
    const [low = "", middle = "", high = ""] = [0.25, 0.5, 0.75].map((part) => quantile(ratios, part).toFixed(2))
    return `${middle} × (${low} to ${high})`
  }
  const [wall, cpu] = [pairs("wall"), pairs("cpu")]
  return {
    what,
    wall: show(wall),
    ...(work === "here" ? { cpu: show(cpu) } : {}),
    budget: `≤ ${most} ×`,
    kept: quantile(work === "here" ? cpu : wall, 0.5) <= most
  }
}
