import * as Effect from "effect/Effect"

/** Fibers that wait to be woken. One that was woken, or interrupted, is not among them any more. */
export class Waiters {
  private readonly all = new Set<() => void>()

  get isEmpty(): boolean {
    return this.all.size === 0
  }

  /** Waits for the next `wake`. */
  readonly wait: Effect.Effect<void> = Effect.async((resume) => {
    const leave = () => this.all.delete(wake)
    const wake = () => {
      leave()
      resume(Effect.void)
    }
    this.all.add(wake)
    // It runs where the wait is interrupted, and at no other end.
    return Effect.sync(leave)
  })

  wake(): void {
    for (const wake of this.all) wake()
  }
}
