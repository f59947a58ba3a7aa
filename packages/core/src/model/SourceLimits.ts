import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Checks, checkOptions, type DurationOption, integer, positive } from "./Options.js"
import type { InvalidOption } from "./TokenError.js"
import { currentTurn, type Turn } from "./Turn.js"

/**
 * How much one token endpoint can take, shared by all sources that name it: at most so many requests at a time and so
 * many in any span of time. What it asks one key to wait, all keys wait.
 */
export interface SourceLimits {
  /**
   * Runs `request` in its turn, first come, first served; fails as `closing` does where that comes first. While the
   * request waits for the token of another provider of this process, it holds no place.
   */
  readonly inTurn: <A, E, R, E2, R2>(
    request: Effect.Effect<A, E, R>,
    closing: Effect.Effect<never, E2, R2>
  ) => Effect.Effect<A, E | E2, R | R2>
  /** Nobody asks for so many milliseconds from now on. */
  readonly pause: (millis: number) => Effect.Effect<void>
  /** How long, in milliseconds, nobody is to ask. */
  readonly paused: Effect.Effect<number>
}

/** What `SourceLimits.make` takes. */
export interface SourceLimitsOptions {
  /**
   * The most requests at a time.
   * @default as many as there are
   */
  readonly concurrency?: number | undefined
  /**
   * The most requests that start within `per`.
   * @default as many as there are
   */
  readonly rate?: number | undefined
  /** @default "1 second" */
  readonly per?: DurationOption | undefined
}

/** What each option of `SourceLimits.make` has to be. */
export const limitsChecks = {
  concurrency: integer(1, 1_000_000),
  rate: integer(1, 1_000_000),
  per: positive
} satisfies Checks<SourceLimitsOptions>

/** Constructors of `SourceLimits`. */
export const SourceLimits = {
  /**
   * Limits for the sources that are given them: make one for each token endpoint.
   *
   * @example
   * ```ts
   * const limits = yield* SourceLimits.make({ concurrency: 5, rate: 100, per: "1 minute" })
   * const source = OAuth2.refreshToken({ tokenEndpoint: "https://auth.example.com/token", clientId: "app", limits })
   * ```
   */
  make: (options: SourceLimitsOptions): Effect.Effect<SourceLimits, InvalidOption> =>
    Effect.map(checkOptions(options, limitsChecks), () => {
      const { concurrency = Number.POSITIVE_INFINITY, per = "1 second", rate = Number.POSITIVE_INFINITY } = options
      return makeLimits(concurrency, rate, Duration.toMillis(per))
    })
}

const makeLimits = (concurrency: number, rate: number, per: number): SourceLimits => {
  const waiting = new Set<Place>()
  /** Those that had a place and want one again; they come before `waiting`. */
  const returning = new Set<Place>()
  /** When the last `rate` requests started. */
  const starts: Array<number> = []
  let oldest = 0
  let running = 0
  let pausedUntil = Number.NEGATIVE_INFINITY

  const first = () => Option.getOrUndefined(Option.orElse(firstOf(returning), () => firstOf(waiting)))

  const wait = (now: number) => {
    const start = starts[oldest]
    return start === undefined || starts.length < rate ? 0 : start + per - now
  }

  const started = (now: number) => {
    if (rate === Number.POSITIVE_INFINITY) return
    if (starts.length < rate) return void starts.push(now)
    starts[oldest] = now
    oldest = (oldest + 1) % rate
  }

  const take = Effect.fnUntraced(function* (place: Place) {
    while (!place.over) {
      if (first() !== place || running >= concurrency) {
        yield* Effect.async<void>((resume) => {
          place.wake = () => resume(Effect.void)
        })
        continue
      }
      const now = yield* steady
      const millis = returning.has(place) ? 0 : wait(now)
      if (millis <= 0) {
        if (waiting.has(place)) started(now)
        leave(place)
        running++
        place.taken = true
        return first()?.wake?.()
      }
      yield* Effect.sleep(Math.min(millis, LONGEST))
    }
  })

  const leave = (place: Place) => {
    waiting.delete(place)
    returning.delete(place)
    if (place.taken) running--
    place.taken = false
  }

  const end = (place: Place) =>
    Effect.sync(() => {
      place.over = true
      leave(place)
      place.wake?.()
      first()?.wake?.()
    })

  const turnOf = (place: Place): Turn => ({
    end: end(place),
    without: (wait) =>
      Effect.suspend(() => {
        place.waits++
        leave(place)
        first()?.wake?.()
        const again = Effect.suspend(() => {
          if (--place.waits > 0 || place.over) return Effect.void
          returning.add(place)
          return take(place)
        })
        return Effect.flatMap(Effect.exit(wait), (exit) => Effect.zipRight(again, exit))
      })
  })

  return {
    inTurn: (request, closing) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const place: Place = { taken: false, over: false, waits: 0, wake: undefined }
          waiting.add(place)
          return place
        }),
        (place) =>
          Effect.zipRight(Effect.raceFirst(take(place), closing), Effect.locally(request, currentTurn, turnOf(place))),
        end
      ),
    pause: (millis) =>
      Effect.map(steady, (now) => {
        if (Number.isFinite(millis)) pausedUntil = Math.max(pausedUntil, now + millis)
      }),
    paused: Effect.map(steady, (now) => Math.max(0, pausedUntil - now))
  }
}

interface Place {
  taken: boolean
  over: boolean
  /** How many tokens of others the request waits for. */
  waits: number
  wake: (() => void) | undefined
}

const firstOf = (places: ReadonlySet<Place>) => Option.fromIterable(places)

/** Milliseconds by a clock that nobody sets. */
const steady = Effect.clockWith((clock: Clock.Clock) =>
  Effect.sync(() => Number(clock.unsafeCurrentTimeNanos() / 1_000n) / 1_000)
)

/** How long a wait goes on without a look at the clock. */
const LONGEST = Duration.toMillis("1 minute")
