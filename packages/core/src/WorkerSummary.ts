import { Data, Duration } from "effect"
import type { NoSource, TokenError } from "./TokenError.js"

/** What a worker has done. */
export class WorkerSummary extends Data.Class<{
  readonly startedAt: number
  readonly endedAt: number | undefined
  /** Fetched by this worker. */
  readonly renewed: number
  /** Found renewed by somebody else meanwhile. */
  readonly adopted: number
  /** How many attempts failed, by what a person would have to do about it: the error's class. */
  readonly failed: Readonly<Record<string, number>>
  /** The keys that need a new login now. */
  readonly dead: ReadonlySet<string>
  /** The keys that need a new login soon, and when their refresh token ends. */
  readonly soon: ReadonlyMap<string, number>
}> {
  /** Nothing done yet. */
  static readonly start = (startedAt: number): WorkerSummary =>
    new WorkerSummary({
      startedAt,
      endedAt: undefined,
      renewed: 0,
      adopted: 0,
      failed: {},
      dead: new Set(),
      soon: new Map()
    })

  /** How metrics name an outcome. */
  static readonly labelOf = (outcome: Outcome): string =>
    outcome._tag === "Failed" ? outcome.error._tag : outcome._tag.toLowerCase()

  /** With one more outcome. */
  plus(outcome: Outcome): WorkerSummary {
    const { key } = outcome
    const endsAt = outcome._tag === "Failed" ? this.soon.get(key) : outcome.endsAt
    const died = outcome._tag === "Failed" && outcome.error._tag === "ReauthorizationRequired"
    const next = {
      ...this,
      dead: died === this.dead.has(key) ? this.dead : withKey(this.dead, key, died),
      soon: endsAt === this.soon.get(key) ? this.soon : withEnd(this.soon, key, endsAt)
    }
    if (outcome._tag !== "Failed") {
      const counted = outcome._tag === "Renewed" ? { renewed: this.renewed + 1 } : { adopted: this.adopted + 1 }
      return new WorkerSummary({ ...next, ...counted })
    }
    if (died) return new WorkerSummary(next)
    const { _tag } = outcome.error
    return new WorkerSummary({ ...next, failed: { ...this.failed, [_tag]: (this.failed[_tag] ?? 0) + 1 } })
  }

  /** The same, over at `endedAt`. */
  ended(endedAt: number): WorkerSummary {
    return new WorkerSummary({ ...this, endedAt })
  }

  /** One line for a person. */
  override toString(): string {
    const failures = Object.entries(this.failed)
    const total = failures.reduce((sum, [, count]) => sum + count, 0)
    const classes = failures.map(([tag, count]) => `${count} ${tag}`).join(", ")
    const took =
      this.endedAt === undefined ? "" : `; took ${Duration.format(Duration.millis(this.endedAt - this.startedAt))}`
    return (
      `renewed ${this.renewed}, adopted ${this.adopted}, failed ${total}${classes === "" ? "" : ` (${classes})`}, ` +
      `need a login now ${this.dead.size}, soon ${this.soon.size}${took}`
    )
  }
}

/** What came of one claimed key. */
export type Outcome =
  | { readonly _tag: "Renewed" | "Adopted"; readonly key: string; readonly endsAt: number | undefined }
  | { readonly _tag: "Failed"; readonly key: string; readonly error: TokenError | NoSource }

const withKey = (keys: ReadonlySet<string>, key: string, there: boolean): ReadonlySet<string> =>
  new Set(there ? [...keys, key] : [...keys].filter((one) => one !== key))

const withEnd = (ends: ReadonlyMap<string, number>, key: string, end: number | undefined) => {
  const next = new Map(ends)
  if (end === undefined) next.delete(key)
  else next.set(key, end)
  return next
}
