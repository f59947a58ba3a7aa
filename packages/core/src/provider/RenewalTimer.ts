import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AccessToken } from "../model/AccessToken.js"
import type { Current } from "../refresh/Connection.js"
import { decide } from "../refresh/Freshness.js"
import { makeAlarm } from "./Alarm.js"
import { type Entry, isHalted } from "./CacheEntry.js"
import { DueQueue } from "./DueQueue.js"

/** When each key of a process is renewed: one queue and one timer for all of them. */
export const makeRenewals = (entries: Pick<ReadonlyMap<string, Entry>, "values">) => {
  const queue = new DueQueue<Entry>()
  const alarm = makeAlarm()

  /** Looks at `entry` at `at`, or where that is never, when its token ends. */
  const plan = (entry: Entry, current: Current, at: number): void => {
    if (queue.put(entry, nextLook(current, at))) alarm.ring()
  }

  /** Does not look at `entry` any more. */
  const cancel = (entry: Entry): void => void queue.put(entry, Number.POSITIVE_INFINITY)

  /** The wall clock went back by `-step`: what it said of this token's end is that much too late. */
  const setBack = (entry: Entry, step: number) => {
    if (entry.current === undefined) return
    const { current } = entry
    const tokens = current.tokens.shifted(step)
    const token = AccessToken.of(tokens, current.token.generation)
    const instants = { renewAt: current.renewAt + step, expiresAt: current.expiresAt + step }
    entry.current = { ...current, tokens, token, ...instants, served: Exit.succeed(token) }
    queue.put(entry, nextLook(entry.current, instants.renewAt))
  }

  /** Renews what is due. Looks at the wall clock at least each minute, so that sleep and clock steps do no harm. */
  const run = (renew: (entry: Entry) => Effect.Effect<unknown>): Effect.Effect<never> =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const read = () => ({ wall: clock.unsafeCurrentTimeMillis(), steady: clock.unsafeCurrentTimeNanos() })
      for (let last = read(); ; ) {
        const now = read()
        const step = now.wall - last.wall - Number((now.steady - last.steady) / 1_000_000n)
        if (step < -STEP) for (const entry of entries.values()) setBack(entry, step)
        last = now
        for (let entry = queue.take(now.wall); entry !== undefined; entry = queue.take(now.wall)) {
          const { current, halt } = entry
          if (current === undefined) continue
          const rest = isHalted(halt, now.wall) ? halt.until : undefined
          const resting = decide(current, now.wall) === "serve" ? current.renewAt : rest
          if (resting === undefined && Number.isFinite(current.renewAt)) yield* renew(entry)
          else if (now.wall < current.expiresAt || (resting !== undefined && Number.isFinite(resting))) {
            queue.put(entry, nextLook(current, resting ?? current.renewAt))
          } else entry.current = { ...current, expiresAt: Number.NEGATIVE_INFINITY } // whatever the clock says later
        }
        yield* alarm.wait(() => {
          const next = queue.next()
          return Number.isFinite(next) ? Math.min(TICK, Math.ceil(next - clock.unsafeCurrentTimeMillis())) : next
        })
      }
    })

  return { plan, cancel, run }
}

/**
 * A token that nothing is planned for is looked at until it ends all the same, so that steps of the clock are seen. None
 * is renewed by itself sooner than a while after it came, however soon it ends: one of the clocks or units is wrong then.
 */
const nextLook = ({ expiresAt, token }: Current, planned: number): number =>
  Math.max(Number.isFinite(planned) ? planned : expiresAt, token.obtainedAt + SPACING)

const TICK = Duration.toMillis("1 minute")
const SPACING = Duration.toMillis("2 seconds")
const STEP = Duration.toMillis("1 second")
