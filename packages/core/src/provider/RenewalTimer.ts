import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Instant, offsetOf } from "../model/Instant.js"
import { type CachedToken, setBack } from "../refresh/CachedToken.js"
import { freshness } from "../refresh/Freshness.js"
import { type CacheEntry, isBackingOff } from "./CacheEntry.js"
import { DueQueue } from "./DueQueue.js"

/** When each key of a process is renewed: one queue and one timer for all of them. */
export const makeRenewals = (entries: Pick<ReadonlyMap<string, CacheEntry>, "values">, clock: Clock.Clock) => {
  const queue = new DueQueue<CacheEntry>()
  /** Open once the first item changed: also where nobody waits for that yet. */
  const changed = Effect.unsafeMakeLatch()

  /** Looks at `entry` at `at`, or where that is never, when its token ends. */
  const plan = (entry: CacheEntry, current: CachedToken, at: number): void => {
    if (queue.put(entry, nextLook(current, at))) changed.unsafeOpen()
  }

  /** Does not look at `entry` any more. */
  const cancel = (entry: CacheEntry): void => void queue.put(entry, Number.POSITIVE_INFINITY)

  const read = (): Instant => ({ wall: clock.unsafeCurrentTimeMillis(), steady: clock.unsafeCurrentTimeNanos() })
  let last = read()

  /** Looks at both clocks. Where the wall clock went back since the last look, what it said of each token's end is too late. */
  const look = (): Instant => {
    const now = read()
    const step = offsetOf(now) - offsetOf(last)
    if (step < -STEP) {
      for (const entry of entries.values()) {
        if (entry.current === undefined) continue
        const current = entry.clockWentBack(entry.current, step)
        plan(entry, current, current.renewAt)
      }
    }
    last = now
    return now
  }

  /** `current` by the wall clock as it is now, from which on a step back is seen. */
  const corrected = (current: CachedToken): CachedToken => {
    const step = offsetOf(look()) - current.offset
    return step < -STEP ? setBack(current, step) : current
  }

  /** Renews what is due. Looks at the wall clock at least each minute, so that sleep and clock steps do no harm. */
  const run = (renew: (entry: CacheEntry) => Effect.Effect<unknown>): Effect.Effect<never> =>
    Effect.gen(function* () {
      for (;;) {
        const now = look()
        for (let entry = queue.take(now.wall); entry !== undefined; entry = queue.take(now.wall)) {
          const { current, lastFailure } = entry
          if (current === undefined) continue
          const rest = isBackingOff(lastFailure, now.wall) ? lastFailure.until : undefined
          const resting = freshness(current, now.wall) === "fresh" ? current.renewAt : rest
          if (resting === undefined && Number.isFinite(current.renewAt)) yield* renew(entry)
          else if (now.wall < current.expiresAt || (resting !== undefined && Number.isFinite(resting))) {
            queue.put(entry, nextLook(current, resting ?? current.renewAt))
          } else entry.expired(current)
        }
        const next = queue.next()
        const rest = Math.max(0, Math.min(TICK, Math.ceil(next - clock.unsafeCurrentTimeMillis())))
        // Where nothing is due ever, no timer keeps the process alive.
        yield* Number.isFinite(next) ? Effect.raceFirst(changed.await, Effect.sleep(rest)) : changed.await
        changed.unsafeClose()
      }
    })

  return { plan, cancel, corrected, run }
}

/**
 * A token that nothing is planned for is looked at until it ends all the same, so that steps of the clock are seen. None
 * is renewed by itself sooner than a while after it came, however soon it ends: one of the clocks or units is wrong then.
 */
const nextLook = ({ expiresAt, token }: CachedToken, planned: number): number =>
  Math.max(Number.isFinite(planned) ? planned : expiresAt, token.obtainedAt + SPACING)

const TICK = Duration.toMillis("1 minute")
const SPACING = Duration.toMillis("2 seconds")
const STEP = Duration.toMillis("1 second")
