import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** One refresh that any number of callers wait for, each until its own deadline, with one timer for all of them. */
export class SingleFlight<A, E> {
  private readonly waiters = new Set<Waiter<A, E>>()
  private exit: Exit.Exit<A, E> | undefined

  /** How the refresh ended; undefined where `deadline` (epoch milliseconds) came first. */
  join(deadline: number): Effect.Effect<Exit.Exit<A, E> | undefined> {
    return Effect.async((resume) => {
      if (this.exit !== undefined) return resume(Effect.succeed(this.exit))
      const waiter = { deadline, resume }
      this.waiters.add(waiter)
      return Effect.sync(() => this.waiters.delete(waiter))
    })
  }

  /** Ends the refresh for all callers that wait, and for all that come later. */
  end(exit: Exit.Exit<A, E>): void {
    this.exit = exit
    for (const { resume } of this.waiters) resume(Effect.succeed(exit))
    this.waiters.clear()
  }

  /** Resumes the callers whose deadline has come, without a result; runs beside the refresh. */
  readonly expireWaiters: Effect.Effect<never> = Effect.gen(this, function* () {
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      let next = now + LONGEST
      for (const waiter of this.waiters) {
        if (waiter.deadline <= now) {
          this.waiters.delete(waiter)
          waiter.resume(Effect.succeed(undefined))
        } else next = Math.min(next, waiter.deadline)
      }
      yield* Effect.sleep(next - now)
    }
  })
}

interface Waiter<A, E> {
  readonly deadline: number
  readonly resume: (effect: Effect.Effect<Exit.Exit<A, E> | undefined>) => void
}

const LONGEST = 1_000
