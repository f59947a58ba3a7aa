import { randomUUID } from "node:crypto"
import { TokenStore } from "@evertoken/core"
import type { Listed } from "@evertoken/core/store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { matches } from "../config/ApiKeys.js"
import { SettingsError } from "../config/Settings.js"
import * as Store from "../config/Store.js"
import { MOST_NAMED, named, pages, say } from "./Maintenance.js"

interface Choice {
  /** Rows written before this instant are from the backup. */
  readonly before: string | undefined
  /** Which keys; all, if there are none. */
  readonly patterns: ReadonlyArray<string>
  /** Whether to do it. */
  readonly yes: boolean
}

/**
 * Sees to it that no refresh token of a restored backup is sent: each row is marked as a grant that was refused. A login
 * or newer tokens put over it, which other processes may have, end that.
 */
export const restored = (settings: Store.Keeping, { before, patterns, yes }: Choice) =>
  Effect.gen(function* () {
    const instant = yield* instantOf(before)
    const store = yield* TokenStore
    const keys: string[] = []
    const count = { rows: 0, chosen: 0, marked: 0, unread: 0 }
    const look = Effect.fnUntraced(function* (row: Listed) {
      count.rows++
      if (patterns.length > 0 && !patterns.some((pattern) => matches(pattern, row.key))) return
      if (row.error !== undefined) return void count.unread++
      if (!isFrom(row, instant)) return
      count.chosen++
      if (keys.length < MOST_NAMED) keys.push(row.key)
      if (yes && (yield* mark(store, row))) count.marked++
    })
    yield* Stream.runForEach(pages(store), (page) => Effect.forEach(page, look, { concurrency: 4, discard: true }))

    const { chosen, marked, rows, unread } = count
    const left = yes ? chosen - marked : 0
    yield* say(`${chosen} of ${rows} rows are from before ${new Date(instant).toISOString()} and hold a refresh token.`)
    if (chosen > 0) yield* named(keys, chosen)
    if (yes)
      yield* say(`${marked} rows are marked: each needs a new login, or newer tokens of a service that has them.`)
    else if (chosen > 0) yield* say("Nothing was changed: --yes marks them.")
    if (left > 0) yield* say(`${left} rows are left, since they were changed or renewed meanwhile: run it again.`)
    if (unread > 0) yield* say(`${unread} rows do not open and are left: look at EVERTOKEN_KEYS, and run it again.`)
    return left + unread === 0 ? 0 : 2
  }).pipe(Effect.provide(Store.existing(settings, yes ? "keep" : "look")))

const isFrom = ({ record }: Listed, instant: number) =>
  record?.tokens?.refreshToken !== undefined && !record.dead && (record.refreshedAt ?? 0) < instant

/** Ends the grant of a row as the refresh protocol does, under the lease: what somebody renews just now is left to them. */
const mark = Effect.fnUntraced(function* (store: TokenStore["Type"], { generation, key }: Listed) {
  const owner = randomUUID()
  const leased = yield* store.lease(key, { owner, known: generation, lasts: LEASE, presents: false, force: true })
  if (leased._tag === "None" || leased.value.leaseOwner !== owner) return false
  const detail = "a backup was restored, and the refresh token in it may be spent"
  const failure = { by: "refresh", tag: "GrantRejected", code: "restored_backup", detail } as const
  return yield* store.fail(key, { owner, generation, failure, inDoubt: false, dead: true, retryIn: 0 })
})

const instantOf = Effect.fnUntraced(function* (text: string | undefined) {
  const instant = text !== undefined && INSTANT.test(text) ? Date.parse(text) : Number.NaN
  const expected = "expected when the backup was restored, with the time zone, such as 2026-11-29T03:00:00Z"
  if (Number.isNaN(instant)) return yield* new SettingsError({ setting: "--before", problem: expected })
  if (instant > (yield* Clock.currentTimeMillis)) {
    return yield* new SettingsError({ setting: "--before", problem: "expected an instant that is over" })
  }
  return instant
})

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/
const LEASE = 10_000
