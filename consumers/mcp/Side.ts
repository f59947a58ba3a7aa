/** What a process of the night is told. */
export interface CallerOptions {
  readonly side: "evertoken" | "sdk"
  readonly url: string
  readonly folder: string
  readonly seed: number
  /** The most seconds between two calls. */
  readonly rest: number
  /** For how many seconds the authorization server takes a refresh token again. */
  readonly replayWindow: number
}

/** What a process says, line by line. */
export type Said =
  | { readonly call: "ok" }
  | { readonly call: "failed"; readonly error: string }
  | { readonly page: string }
  | { readonly loggedIn: boolean; readonly error?: string }

/** Random numbers that a seed makes (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const pause = (millis: number): Promise<void> => new Promise((resume) => setTimeout(resume, millis))

/** Calls, rests, and calls again. */
export const callForever = async (
  call: () => Promise<unknown>,
  { rest, seed }: Pick<CallerOptions, "rest" | "seed">,
  say: (said: Said) => void,
  goesOn: () => boolean = () => true
): Promise<void> => {
  const draw = random(seed)
  while (goesOn()) {
    try {
      await call()
      say({ call: "ok" })
    } catch (error) {
      const { code, message, name } =
        error instanceof Error ? (error as Error & { code?: unknown }) : { code: "", message: String(error), name: "" }
      say({ call: "failed", error: `${name} ${code ?? ""} ${message}`.slice(0, 160) })
    }
    await pause(draw() * rest * 1_000)
  }
}
