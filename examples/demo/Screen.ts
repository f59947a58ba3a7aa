import { Effect, type Scope } from "effect"

/** Where the demo draws: a terminal that is redrawn in place, or anything else, which gets each act once, as lines. */
export interface Screen {
  readonly width: number
  readonly color: boolean
  readonly live: boolean
  readonly line: (text: string) => Effect.Effect<void>
  /** Draws over what the last `frame` drew. */
  readonly frame: (lines: ReadonlyArray<string>) => Effect.Effect<void>
  /** Leaves what is drawn and goes on below. */
  readonly settle: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}

/** The standard output; its cursor comes back whatever happens. */
export const openScreen: Effect.Effect<Screen, never, Scope.Scope> = Effect.gen(function* () {
  const out = process.stdout
  out.once("error", () => process.exit(1)) // whoever read along has gone
  const columns = out.columns || 80
  const live = out.isTTY === true && process.env.TERM !== "dumb" && columns >= 80
  const color = live && (process.env.NO_COLOR ?? "") === ""
  const write = (text: string) => Effect.sync(() => void out.write(text))
  if (live) {
    yield* Effect.acquireRelease(write("\u001b[?25l"), () => write("\u001b[?25h"))
  }
  let drawn = 0
  const frame = (lines: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const up = drawn > 0 ? `\u001b[${drawn}A` : ""
      drawn = lines.length
      return write(up + lines.map((line) => `\r\u001b[2K${line}\n`).join(""))
    })
  return {
    width: Math.max(20, Math.min(64, columns - 36)),
    color,
    live,
    line: (text) => write(`${text}\n`),
    frame: live ? frame : () => Effect.void,
    settle: (lines) =>
      Effect.suspend(() => (live ? frame(lines) : write(`${lines.map((line) => line.trimEnd()).join("\n")}\n`))).pipe(
        Effect.andThen(Effect.sync(() => (drawn = 0))),
        Effect.andThen(write("\n"))
      )
  }
})
