import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Clock, Effect, Layer } from "effect"
import { type Answer, type Line, startFarSide } from "./FarSide.js"

/** What a token endpoint does at a time, in milliseconds since the start, other than answering at once. */
export interface Trouble {
  readonly from: number
  readonly to: number
  readonly does: "fails" | "is slow"
  /** How long a slow answer takes, in milliseconds. */
  readonly takes?: number
}

/** A token endpoint whose tokens live for `lifetime` milliseconds, and its log. */
const makeEndpoint = (lifetime: number, troubles: ReadonlyArray<Trouble>, start: number) => {
  const ends = new Map<string, number>()
  const ask = (now: number): { readonly after: number; readonly answer: Answer } => {
    const trouble = troubles.find(({ from, to }) => now - start >= from && now - start < to)
    if (trouble?.does === "fails") return { after: 0, answer: { status: 503, says: "not now" } }
    const number = ends.size + 1
    const after = trouble?.takes ?? 0
    ends.set(`token-${number}`, now + after + lifetime)
    const json = { access_token: `token-${number}`, token_type: "Bearer", expires_in: lifetime / 1_000 }
    return { after, answer: { status: 200, json, says: `token ${number}${after > 0 ? ", slowly" : ""}` } }
  }
  /** Whether `token` is good at `now`. */
  const isGood = (token: string, now: number) => now < (ends.get(token) ?? 0)
  return { ask, isGood }
}

/** As a server on the loopback. */
export const startWarm = (lifetime: number, troubles: ReadonlyArray<Trouble>) =>
  Effect.gen(function* () {
    const { ask, isGood } = makeEndpoint(lifetime, troubles, Date.now())
    const { log, url } = yield* startFarSide(async () => {
      const { after, answer } = ask(Date.now())
      if (after > 0) await new Promise((resolve) => setTimeout(resolve, after))
      return answer
    })
    return { log, url, isGood }
  })

/** In this process, by the clock of the program, which may be a `TestClock`. */
export const warmInProcess = (lifetime: number, troubles: ReadonlyArray<Trouble>) =>
  Effect.gen(function* () {
    const { ask, isGood } = makeEndpoint(lifetime, troubles, yield* Clock.currentTimeMillis)
    const log: Array<Line> = []
    const client = HttpClient.make(
      Effect.fnUntraced(function* (request, { pathname }) {
        const at = yield* Clock.currentTimeMillis
        const { after, answer } = ask(at)
        const { json = {}, says = "", status } = answer
        yield* Effect.sleep(after)
        log.push({ at, what: `${request.method} ${pathname}`, status, says })
        return HttpClientResponse.fromWeb(request, Response.json(json, { status }))
      })
    )
    return { log, url: "http://127.0.0.1:1", isGood, layer: Layer.succeed(HttpClient.HttpClient, client) }
  })

/** An hour a line, a minute a sign. */
export const drawn = (log: ReadonlyArray<Line>) =>
  Array.from({ length: 24 }, (_, hour) => {
    const minutes = Array.from({ length: 60 }, (_, minute) => {
      const here = log.filter((line) => Math.floor(line.at / 60_000) === hour * 60 + minute)
      if (here.some(({ status }) => status !== 200)) return "×"
      return here.some(({ says }) => says.includes("slowly")) ? "◇" : here.length > 0 ? "◆" : "·"
    })
    return `  ${String(hour).padStart(2, "0")}:00  ${minutes.join("")}`
  })

/** How long after the one before each renewal began, in minutes, whatever came of it. */
export const spans = (log: ReadonlyArray<Line>) =>
  log.flatMap((line, index) => {
    const before = log[index - 1]
    return before?.status === 200 ? [(line.at - before.at) / 60_000] : []
  })
