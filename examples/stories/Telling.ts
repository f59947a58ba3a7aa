import { ConfigProvider, Console, Data, Effect, type Scope } from "effect"
import type { Line } from "../far-sides/FarSide.js"

/** Tells a story: its scenes, each with what the far side saw of it, and its counts at the end. */
export interface Telling {
  /** Begins a scene; what the far side saw of the one before is printed first. */
  readonly scene: (title: string) => Effect.Effect<void>
  /** Notes a count of the far side's log, for the end. */
  readonly check: (what: string, expected: number, seen: number) => void
  /** Prints the counts. The story has failed where one is not what it has to be. */
  readonly end: Effect.Effect<void, StoryFailed>
}

/** Tells a story whose far side keeps `log`; until the scope closes, programs find `settings` as their configuration. */
export const telling = (
  log: ReadonlyArray<Line>,
  settings: Readonly<Record<string, string>>
): Effect.Effect<Telling, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.withConfigProviderScoped(ConfigProvider.fromMap(new Map(Object.entries(settings))))
    const checks: Array<{ readonly what: string; readonly expected: number; readonly seen: number }> = []
    let [start, told] = [Date.now(), 0]
    const flush = Effect.suspend(() => {
      const lines = timeline(log.slice(told), start)
      start = Date.now()
      told = log.length
      return Effect.forEach(lines, (line) => Console.log(line))
    })
    return {
      scene: (title) => Effect.zipRight(flush, Console.log(`\n${title}`)),
      check: (what, expected, seen) => void checks.push({ what, expected, seen }),
      end: Effect.gen(function* () {
        yield* flush
        const row = (what: string, expected: unknown, seen: unknown) =>
          `${what.padEnd(56)}${String(expected).padStart(10)}${String(seen).padStart(8)}`
        yield* Console.log(`\n${row("What the far side's own log says", "expected", "seen")}`)
        for (const { expected, seen, what } of checks) {
          yield* Console.log(`${row(what, expected, seen)}  ${expected === seen ? "✓" : "✗"}`)
        }
        if (checks.some(({ expected, seen }) => expected !== seen)) {
          return yield* new StoryFailed({ message: "The far side's log does not say what it should." })
        }
      })
    }
  })

/** A log as lines: the time since `start`, what was asked, how often at about that time, and what came of it. */
export const timeline = (log: ReadonlyArray<Line>, start: number): ReadonlyArray<string> => {
  const rows: Array<{ at: number; times: number; text: string }> = []
  for (const { at, says, status, what } of log) {
    const text = `${what.padEnd(24)} ${status}  ${says}`
    const same = rows.slice(-3).find((row) => row.text === text)
    if (same !== undefined) same.times++
    else rows.push({ at, times: 1, text })
  }
  return rows.map(({ at, text, times }) => {
    const seconds = ((at - start) / 1_000).toFixed(2).padStart(6)
    return `  ${seconds} s  ${times > 1 ? `${times} ×`.padStart(5) : "     "}  ${text}`.trimEnd()
  })
}

/** The story ran, and did not show what it promises. */
export class StoryFailed extends Data.TaggedError("StoryFailed")<{ readonly message: string }> {}
