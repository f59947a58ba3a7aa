import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TokenStoreError } from "../model/TokenError.js"
import { elapsed, type Instant, instant } from "./Lease.js"

/** How many calls that begin a refresh may be under way at the store: as many as it answers in time. */
export interface ConcurrencyLimit {
  /** Runs `call` once there is room for it; fails where there is none for as long as a call may take. */
  readonly run: <A>(call: Effect.Effect<A, TokenStoreError>) => Effect.Effect<A, TokenStoreError>
  /** Ends the waits: what has not begun yet does not begin any more. */
  readonly close: Effect.Effect<void>
}

/**
 * The limit grows by one with each round of calls that the store answers within `soon` (milliseconds), and is halved by
 * one that it does not. Without it, a store that can do less than is asked of it would answer every call after the lease
 * that it gives has run out, and nothing would ever be refreshed. What a holder of a lease calls takes no part in it.
 */
export const makeConcurrencyLimit = (soon: number): ConcurrencyLimit => {
  const waiting = new Set<Call>()
  let limit = MOST
  let running = 0
  /** When the limit was halved last: a call that began before says nothing of it as it is now. */
  let halvedAt: bigint | undefined

  const admit = () => {
    for (const call of waiting) {
      if (running >= limit) return
      waiting.delete(call)
      call.isRunning = true
      running++
      call.end?.(Effect.void)
    }
  }

  const leave = (call: Call) => {
    waiting.delete(call)
    if (call.isRunning) running--
    admit()
  }

  const answered = (began: Instant, isAway: boolean) =>
    Effect.map(instant, (now) => {
      if (!isAway && elapsed(began, now) <= soon) limit = Math.min(MOST, limit + 1 / limit)
      else if (halvedAt === undefined || began.steady >= halvedAt) {
        limit = Math.max(LEAST, limit / 2)
        halvedAt = now.steady
      }
    })

  const run = <A>(call: Effect.Effect<A, TokenStoreError>) =>
    Effect.suspend(() => {
      const own: Call = { isRunning: false, end: undefined }
      waiting.add(own)
      admit()
      const room = Effect.async<void, TokenStoreError>((resume) => {
        if (own.isRunning) resume(Effect.void)
        else own.end = resume
      }).pipe(Effect.timeoutFail({ duration: PATIENCE, onTimeout: () => full("more is asked of it than it can do") }))
      const timed = Effect.flatMap(instant, (began) =>
        Effect.tapBoth(call, {
          onFailure: ({ reason }) => answered(began, reason === "unreachable"),
          onSuccess: () => answered(began, false)
        })
      )
      const whole = own.isRunning ? timed : Effect.zipRight(room, timed)
      return Effect.ensuring(
        whole,
        Effect.sync(() => leave(own))
      )
    })

  const close = Effect.sync(() => {
    for (const { end } of waiting) end?.(full("the provider closes"))
    waiting.clear()
  })

  return { run, close }
}

interface Call {
  isRunning: boolean
  end: ((outcome: Effect.Effect<void, TokenStoreError>) => void) | undefined
}

const full = (detail: string) => new TokenStoreError({ reason: "unreachable", detail })

const MOST = 64
const LEAST = 2
/** As long as a store may take for an answer. */
const PATIENCE = Duration.seconds(10)
