import { type Outcome, WorkerSummary } from "./WorkerSummary.js"

/** Counts what a worker does. */
export class WorkerTally {
  private readonly failed: Record<string, number> = {}
  /** The keys that need a login, and the generation that they had then. */
  private readonly dead = new Map<string, number>()
  private readonly soon = new Map<string, number>()
  private renewed = 0
  private adopted = 0

  constructor(private readonly startedAt: number) {}

  add(outcome: Outcome): void {
    const { key } = outcome
    if (outcome._tag === "Failed") {
      const { _tag } = outcome.error
      if (_tag === "ReauthorizationRequired") this.dead.set(key, outcome.generation)
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

  /** The row of the key has this generation, whoever wrote it: a newer one than the dead one is of a login. */
  hear(key: string, generation: number): void {
    if (generation > (this.dead.get(key) ?? Number.POSITIVE_INFINITY)) this.dead.delete(key)
  }

  /** A copy of what was counted so far; with `endedAt`, of all there is. */
  summary(endedAt?: number): WorkerSummary {
    return new WorkerSummary({
      ...{ startedAt: this.startedAt, endedAt, renewed: this.renewed, adopted: this.adopted },
      ...{ failed: { ...this.failed }, dead: new Set(this.dead.keys()), soon: new Map(this.soon) }
    })
  }
}
