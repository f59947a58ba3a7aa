import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { elapsed, type Instant, instant } from "../model/Instant.js"
import { TokenStoreError } from "../model/TokenError.js"
import type { TokenStore } from "../store/TokenStore.js"

/** How many calls that begin a refresh may be under way at a store: as many as it answers in time. */
export interface ConcurrencyLimit {
  /** Runs `call` once there is room for it; fails where there is none for as long as a call may take. */
  readonly run: <A>(call: Effect.Effect<A, TokenStoreError>) => Effect.Effect<A, TokenStoreError>
  /** Ends the waits: what has not begun yet does not begin any more. */
  readonly close: Effect.Effect<void>
}

/**
 * One limit for all that this process asks of `store`. It grows by one with each round of calls that the store answers
 * within `soon` (milliseconds), and is halved by one that it does not. Without it, a store that can do less than is asked
 * of it would answer every call after the lease that it gives has run out, and nothing would ever be refreshed. What a
 * holder of a lease calls takes no part in it.
 */
export const makeConcurrencyLimit = (store: TokenStore["Type"], soon: number): ConcurrencyLimit => {
  const load = loads.get(store) ?? new Load()
  loads.set(store, load)
  const own = new Set<Call>()

  const run = <A>(call: Effect.Effect<A, TokenStoreError>) =>
    Effect.suspend(() => {
      const one: Call = { isRunning: false, end: undefined }
      load.enter(one)
      const room = Effect.async<void, TokenStoreError>((resume) => {
        own.add(one)
        one.end = resume
        if (one.isRunning) resume(Effect.void)
      }).pipe(
        Effect.timeoutFail({
          duration: PATIENCE,
          onTimeout: () => away(load.trouble ?? "more is asked of it than it can do")
        }),
        Effect.ensuring(Effect.sync(() => own.delete(one)))
      )
      const timed = Effect.flatMap(instant, (began) =>
        Effect.tapBoth(call, {
          onFailure: ({ detail, reason }) =>
            load.ended(began, soon, reason === "unreachable" ? (detail ?? reason) : undefined),
          onSuccess: () => load.ended(began, soon, undefined)
        })
      )
      return Effect.ensuring(
        one.isRunning ? timed : Effect.zipRight(room, timed),
        Effect.sync(() => load.leave(one))
      )
    })

  const close = Effect.sync(() => {
    for (const { end } of own) end?.(away("the provider closes"))
  })

  return { run, close }
}

/** What is under way at one store, and what waits for that. */
class Load {
  /** Why the last call had no answer, if it had none. */
  trouble: string | undefined
  private readonly waiting = new Set<Call>()
  private limit = MOST
  private running = 0
  /** When the limit was halved last: a call that began before says nothing of it as it is now. */
  private halvedAt: bigint | undefined

  enter(call: Call): void {
    this.waiting.add(call)
    this.admit()
  }

  leave(call: Call): void {
    this.waiting.delete(call)
    if (call.isRunning) this.running--
    this.admit()
  }

  /** Takes note of how a call ended that should have had an answer within `soon`, and of why it has none. */
  ended(began: Instant, soon: number, trouble: string | undefined): Effect.Effect<void> {
    return Effect.map(instant, (now) => {
      this.trouble = trouble
      if (trouble === undefined && elapsed(began, now) <= soon) this.limit = Math.min(MOST, this.limit + 1 / this.limit)
      else if (this.halvedAt === undefined || began.steady >= this.halvedAt) {
        this.limit = Math.max(LEAST, this.limit / 2)
        this.halvedAt = now.steady
      }
    })
  }

  private admit(): void {
    for (const call of this.waiting) {
      if (this.running >= this.limit) return
      this.waiting.delete(call)
      call.isRunning = true
      this.running++
      call.end?.(Effect.void)
    }
  }
}

interface Call {
  isRunning: boolean
  end: ((outcome: Effect.Effect<void, TokenStoreError>) => void) | undefined
}

const loads = new WeakMap<TokenStore["Type"], Load>()
const away = (detail: string) => new TokenStoreError({ reason: "unreachable", detail })

const MOST = 64
const LEAST = 2
/** As long as a store may take for an answer. */
const PATIENCE = Duration.seconds(10)
