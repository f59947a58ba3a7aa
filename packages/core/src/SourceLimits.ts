import { Clock, Duration, Effect, Option } from "effect"
import { type Checks, checkOptions, type DurationOption, integer, positive } from "./Options.js"
import type { InvalidOption } from "./TokenError.js"

/**
 * How much one token endpoint can take, shared by all sources that name it: at most so many requests at a time and so
 * many in any span of time. What it asks one key to wait, all keys wait.
 */
export interface SourceLimits {
  /** Runs `request` in its turn, first come, first served; fails as `closing` does where that comes first. */
  readonly inTurn: <A, E, R, E2, R2>(
    request: Effect.Effect<A, E, R>,
    closing: Effect.Effect<never, E2, R2>
  ) => Effect.Effect<A, E | E2, R | R2>
  /** Nobody asks for so many milliseconds from `now` on. */
  readonly pause: (millis: number, now: number) => void
  /** How long, in milliseconds, nobody is to ask, as of `now`. */
  readonly pausedFor: (now: number) => number
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
  /** Limits for the sources that are given them: make one for each token endpoint. */
  make: (options: SourceLimitsOptions): Effect.Effect<SourceLimits, InvalidOption> =>
    Effect.map(checkOptions(options, limitsChecks), () => {
      const { concurrency = Number.POSITIVE_INFINITY, per = "1 second", rate = Number.POSITIVE_INFINITY } = options
      return makeLimits(concurrency, rate, Duration.toMillis(per))
    })
}

const makeLimits = (concurrency: number, rate: number, per: number): SourceLimits => {
  const waiting = new Set<Turn>()
  /** When the last `rate` requests started. */
  const starts: Array<number> = []
  let oldest = 0
  let running = 0
  let paused = { at: 0, lasts: 0 }

  /** What is left of a pause; a clock that was set back makes it no longer than it was. */
  const left = (now: number) => Math.max(0, Math.min(paused.at + paused.lasts - now, paused.lasts))

  const first = () => Option.getOrUndefined(Option.fromIterable(waiting))

  /** How long the next request has to wait; a clock that was set back costs at most one span. */
  const wait = (now: number) => {
    const start = starts[oldest]
    return start === undefined || starts.length < rate ? 0 : Math.min(start + per - now, per)
  }

  const started = (now: number) => {
    if (rate === Number.POSITIVE_INFINITY) return
    if (starts.length < rate) return void starts.push(now)
    starts[oldest] = now
    oldest = (oldest + 1) % rate
  }

  const take = Effect.fnUntraced(function* (turn: Turn) {
    for (;;) {
      if (first() !== turn || running >= concurrency) {
        yield* Effect.async<void>((resume) => {
          turn.wake = () => resume(Effect.void)
        })
        continue
      }
      const now = yield* Clock.currentTimeMillis
      const millis = wait(now)
      if (millis <= 0) {
        waiting.delete(turn)
        running++
        turn.taken = true
        started(now)
        return first()?.wake?.()
      }
      yield* Effect.sleep(millis)
    }
  })

  return {
    inTurn: (request, closing) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const turn: Turn = { taken: false, wake: undefined }
          waiting.add(turn)
          return turn
        }),
        (turn) => Effect.zipRight(Effect.raceFirst(take(turn), closing), request),
        (turn) =>
          Effect.sync(() => {
            waiting.delete(turn)
            if (turn.taken) running--
            first()?.wake?.()
          })
      ),
    pause: (millis, now) => {
      if (millis > left(now)) paused = { at: now, lasts: millis }
    },
    pausedFor: left
  }
}

interface Turn {
  taken: boolean
  wake: (() => void) | undefined
}
