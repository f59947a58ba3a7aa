import { type TokenEvent, TokenProviders } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"

/** Logs each key that comes to need a login, that comes to fail, and that heals: one line a minute for each at most. */
export const layer: Layer.Layer<never, never, TokenProviders> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { events } = yield* TokenProviders
    const known = new Map<string, Known>()

    const tell = Effect.fnUntraced(function* (key: string, one: Known, now: number) {
      one.at = now
      one.told = one.standing
      yield* Effect.annotateLogs(one.line, { key, standing: one.standing.split(" ", 1)[0] ?? "" })
    })
    const note = (event: TokenEvent) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const news = newsOf(event)
        if (news === undefined) return Effect.void
        const one = known.get(event.key) ?? { ...news, told: "ok", at: Number.NEGATIVE_INFINITY }
        if (one.told === news.standing && one.standing === news.standing) return Effect.void
        if (!known.has(event.key) && known.size >= MOST_KEYS) return Effect.void
        known.set(event.key, Object.assign(one, news))
        return Math.abs(now - one.at) >= MINUTE ? tell(event.key, one, now) : Effect.void
      })
    /** What came within a minute of the last line of its key is told after it, unless it is undone by then. */
    const late = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.forEach(known, ([key, one]) => {
        if (Math.abs(now - one.at) < MINUTE) return Effect.void
        if (one.told === one.standing) return Effect.sync(() => one.standing === "ok" && known.delete(key))
        return tell(key, one, now)
      })
    )
    yield* Effect.forkScoped(Stream.runForEach(events, note))
    yield* Effect.forkScoped(Effect.schedule(late, Schedule.spaced("1 second")))
  })
)

interface News {
  /** `ok`, `login`, or `failing` with what it fails with. */
  readonly standing: string
  readonly line: Effect.Effect<void>
}

interface Known extends News {
  told: string
  at: number
}

const newsOf = (event: TokenEvent): News | undefined => {
  switch (event._tag) {
    case "ReauthorizationNeeded":
      return { standing: "login", line: Effect.logError(`A connection needs a login: ${event.reason}`) }
    case "RefreshFailed": {
      const served = event.served ? "its token still holds" : "it has no valid token"
      return {
        standing: `failing ${event.error}`,
        line: Effect.logWarning(`A connection fails, ${served}: ${event.message}`)
      }
    }
    case "Refreshed":
    case "Adopted":
    case "Put":
    case "Forgotten":
      return { standing: "ok", line: Effect.logInfo(`A connection is well again: ${event._tag}`) }
    default:
      return undefined
  }
}

const MINUTE = 60_000
const MOST_KEYS = 10_000
