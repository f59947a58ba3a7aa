import type { LogEntry } from "@evertoken/authority"

/** What one act of the demo has seen so far; instants are epoch milliseconds. */
export interface Scene {
  readonly title: string
  readonly about: string
  readonly start: number
  /** How long the act takes, in milliseconds: the width of its rows. */
  readonly length: number
  /** The tokens the program was handed, oldest first. */
  readonly tokens: ReadonlyArray<{ readonly at: number; readonly expiresAt: number }>
  readonly calls: ReadonlyArray<{ readonly at: number; readonly count: number; readonly ok: boolean }>
  /** The authorization server's own log. */
  readonly log: ReadonlyArray<LogEntry>
}

/** The rows of one act as they look at `now`. Pure, so the same code draws the live picture and the plain one. */
export const draw = (scene: Scene, now: number, look: { readonly width: number; readonly color: boolean }) => {
  const paint = (style: keyof typeof styles, text: string) =>
    look.color && text.trim() !== "" ? `\u001b[${styles[style]}m${text}\u001b[0m` : text
  const step = scene.length / look.width
  const cells = (cell: (from: number, to: number) => string) =>
    Array.from({ length: look.width }, (_, index) => {
      const from = scene.start + index * step
      return from > now ? " " : cell(from, index + 1 < look.width ? from + step : Number.POSITIVE_INFINITY)
    }).join("")
  const refusals = scene.log.flatMap((entry) => (entry.active === false ? [entry.at] : []))
  const posts = scene.log.filter((entry) => entry.endpoint === "token")

  const calls = cells((from, to) => {
    const here = scene.calls.filter(({ at }) => at >= from && at < to)
    if (here.some(({ ok }) => !ok)) return paint("bad", "✗")
    if (refusals.some((at) => at >= from && at < to)) return paint("bad", "!")
    if (here.some(({ count }) => count > 1)) return paint("good", "█")
    return here.length > 0 ? paint("good", "·") : " "
  })
  const life = cells((from, to) => {
    const refused = refusals.some((at) => at >= from && at < to)
    const token = scene.tokens.findLast(({ at }) => at < to)
    if (token === undefined) return " "
    const left = (token.expiresAt - Math.max(from, token.at)) / (token.expiresAt - token.at)
    if (refused || left <= 0) return paint("bad", refused ? "!" : "_")
    return paint(
      left > 0.5 ? "good" : "late",
      levels[Math.min(levels.length - 1, Math.floor(left * levels.length))] ?? " "
    )
  })
  const asked = cells((from, to) => {
    const here = posts.filter(({ at }) => at >= from && at < to)
    if (here.some(({ outcome }) => outcome === "ok")) return paint("mark", "◆")
    return here.length > 0 ? paint("bad", "×") : paint("dim", "─")
  })

  const made = scene.calls.reduce((sum, { count, ok }) => sum + (ok ? count : 0), 0)
  const failed = scene.calls.reduce((sum, { count, ok }) => sum + (ok ? 0 : count), 0)
  const issued = posts.filter(({ outcome }) => outcome === "ok").length
  const down = posts.filter(({ outcome }) => outcome === "unavailable").length
  return [
    `${paint("strong", scene.title)}  ${paint("dim", scene.about)}`,
    `  calls   ${calls} ${made} ok${failed > 0 ? paint("bad", `, ${failed} failed`) : ", none failed"}`,
    `  token   ${life} ${refusals.length > 0 ? `${refusals.length} refused` : ""}`,
    `  server  ${asked} ${issued} issued${down > 0 ? `, ${down} × 503` : ""}`
  ]
}

/** The key to the signs, once, at the top. */
export const legend = [
  "  ·  a call   █  1,000 callers   ▇▄▁  how much life the token has left",
  "  ◆  a POST to the token endpoint   ×  answered with 503   !  a 401 from the API"
]

const levels = ["▁", "▂", "▃", "▄", "▅", "▆", "▇"]
const styles = { strong: "1", dim: "2", good: "32", late: "33", bad: "31", mark: "36;1" }
