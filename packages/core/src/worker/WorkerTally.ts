import { type Outcome, WorkerSummary } from "./WorkerSummary.js"

/** Counts what a worker does. */
export class WorkerTally {
  private readonly failed: Record<string, number> = {}
  private readonly dead = new Set<string>()
  private readonly soon = new Map<string, number>()
  private renewed = 0
  private adopted = 0

  constructor(private readonly startedAt: number) {}

  add(outcome: Outcome): void {
    const { key } = outcome
    if (outcome._tag === "Failed") {
      const { _tag } = outcome.error
      if (_tag === "ReauthorizationRequired") this.dead.add(key)
      else {
        this.dead.delete(key)
        this.failed[_tag] = (this.failed[_tag] ?? 0) + 1
      }
      return
    }
    this.dead.delete(key)
    if (outcome._tag === "Renewed") this.renewed++
    else this.adopted++
    if (outcome.endsAt === undefined) this.soon.delete(key)
    else this.soon.set(key, outcome.endsAt)
  }

  /** The key was logged in or out: it needs no login any more, as far as this worker knows. */
  settle(key: string): void {
    this.dead.delete(key)
    this.soon.delete(key)
  }

  /** A copy of what was counted so far; with `endedAt`, of all there is. */
  summary(endedAt?: number): WorkerSummary {
    return new WorkerSummary({
      ...{ startedAt: this.startedAt, endedAt, renewed: this.renewed, adopted: this.adopted },
      ...{ failed: { ...this.failed }, dead: new Set(this.dead), soon: new Map(this.soon) }
    })
  }
}
