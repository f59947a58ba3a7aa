import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AccessToken } from "../model/AccessToken.js"
import { ProviderClosed, type TokenError } from "../model/TokenError.js"
import type { TokenSource } from "../model/TokenSource.js"
import type { Slot } from "../refresh/Connection.js"
import { Halt } from "../refresh/RefreshFailure.js"
import type { Flight } from "./SingleFlight.js"
import { Waiters } from "./Waiters.js"

/**
 * What the engine of one process knows of one key, besides what the protocol does, from one login or logout to the
 * next: then another entry takes its place, and what is under way here changes nothing any more.
 */
export interface Entry extends Slot {
  /** When the timer looks at it next. */
  dueAt: number
  usedAt: number
  flight: Flight<AccessToken, TokenError> | undefined
  /** Why there is no newer token, and until when it is pointless to try. */
  halt: { readonly error: TokenError; readonly until: number; readonly at: number } | undefined
  /** Why another entry has taken its place: it was logged out, or it is for the row to say what holds. */
  over: "forgotten" | "moved" | undefined
  /** How often the row was removed, as far as hints said so. */
  removals: number
  /** How many more refreshes may be caused by refused tokens, as of `at`. */
  repairs: { readonly left: number; readonly at: number }
  /** Called with each newer token, and with none at the end. */
  listeners: Set<(token: AccessToken | undefined) => void> | undefined
  /** Who waits for the row to change. */
  hints: Waiters | undefined
}

/** An entry that knows nothing yet. Its waits halt once the engine `isOver`. */
export const makeEntry = (options: {
  readonly key: string
  readonly source: TokenSource
  readonly ahead: unknown
  readonly usedAt: number
  readonly isOver: () => boolean
}): Entry => {
  const { ahead, isOver, key, source, usedAt } = options
  const entry: Entry = {
    key,
    source,
    current: undefined,
    ahead,
    owner: undefined,
    refused: undefined,
    unsaved: undefined,
    saving: undefined,
    hasSaver: false,
    defect: undefined,
    loggedAt: undefined,
    failures: 0,
    beyond: -1,
    hint: (millis) => (isOver() ? new Halt({ error: new ProviderClosed({ key }), until: 0 }) : hint(entry, millis)),
    dueAt: Number.POSITIVE_INFINITY,
    usedAt,
    flight: undefined,
    halt: undefined,
    over: undefined,
    removals: 0,
    repairs: { left: REPAIRS, at: 0 },
    listeners: undefined,
    hints: undefined
  }
  return entry
}

/** Waits for a `ring`, at most for `millis`. */
export const hint = (entry: Entry, millis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    entry.hints ??= new Waiters()
    return Effect.raceFirst(entry.hints.wait, Effect.sleep(Math.min(millis, LONGEST)))
  })

/** Wakes all who wait for a hint that the row changed, or that the engine closes. */
export const ring = (entry: Entry): void => entry.hints?.wake()

/** Whether an attempt is pointless yet. A clock that went back since the last one does not make it so for longer. */
export const isHalted = (halt: Entry["halt"], now: number): halt is NonNullable<Entry["halt"]> =>
  halt !== undefined && halt.at <= now && now < halt.until

/** Whether one more refused token may cause a refresh: five in a row, then one a minute. */
export const takeRepair = (entry: Entry, now: number): boolean => {
  const { left } = entry.repairs
  const at = Math.min(entry.repairs.at, now) // counted anew from now where the clock went back
  const refilled = Math.floor((now - at) / REPAIR_EVERY)
  const there = Math.min(REPAIRS, left + refilled)
  if (there <= 0) {
    entry.repairs = { left, at }
    return false
  }
  entry.repairs = { left: there - 1, at: there === REPAIRS ? now : at + refilled * REPAIR_EVERY }
  return true
}

const LONGEST = Duration.toMillis("1 minute")
const REPAIRS = 5
const REPAIR_EVERY = Duration.toMillis("1 minute")
