import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type { NoSource, TokenError } from "../model/TokenError.js"

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
  | {
      readonly _tag: "Failed"
      readonly key: string
      /** Of the tokens that were to be renewed. */
      readonly generation: number
      readonly error: TokenError | NoSource
    }
