import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TokenStoreError } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import type { StoredRow } from "./TokenStoreBackend.js"

/** A row as far as its numbers are numbers; none where its generation cannot be counted on from. */
export const checkedRow = (row: StoredRow): StoredRow | undefined =>
  Number.isSafeInteger(row.generation)
    ? {
        ...row,
        leaseUntil: finite(row.leaseUntil),
        leasedAt: finite(row.leasedAt),
        intentAt: finite(row.intentAt),
        dueAt: finite(row.dueAt),
        scheduledAt: finite(row.scheduledAt),
        claims: counted(row.claims),
        failures: counted(row.failures),
        retryAt: finite(row.retryAt),
        refreshedAt: finite(row.refreshedAt),
        failedAt: finite(row.failedAt)
      }
    : undefined

/**
 * The tokens of `row` as far as their ends can be true at `now`, all on the store's clock; none where an instant is no
 * number. They never end later than the time that was granted after they were written. Where they were written later
 * than now, the clock has been set back since and nobody knows how old they are, so they have ended.
 */
export const checkedTokens = (tokens: TokenSet, { refreshedAt }: StoredRow, now: number): TokenSet | undefined => {
  const { expiresAt, obtainedAt, refreshTokenEndSetAt, refreshTokenExpiresAt } = tokens
  const instants = [expiresAt, obtainedAt, refreshTokenEndSetAt, refreshTokenExpiresAt]
  if (!instants.every((at) => at === undefined || Number.isFinite(at))) return undefined
  const written = refreshedAt ?? obtainedAt
  if (written === undefined) return tokens
  const isAhead = written > now + JITTER
  const granted = (expiresAt ?? written) - (obtainedAt ?? written)
  return new TokenSet({
    ...tokens,
    obtainedAt: obtainedAt && Math.min(obtainedAt, isAhead ? now - granted : written),
    expiresAt: expiresAt && Math.min(expiresAt, isAhead ? now : written + granted)
  })
}

/** A wait as a store can keep it: never, where it is no number; at most ten years. */
export const keptWait = (millis: number | undefined): number | undefined =>
  millis === undefined || !Number.isFinite(millis) ? undefined : Math.min(Math.max(millis, 0), TEN_YEARS)

/** Runs `effect` if `lasts` is a length of time, since a lease of any other would be none, or never end. */
export const lasting = <A>(
  lasts: number,
  key: string | undefined,
  effect: () => Effect.Effect<A, TokenStoreError>
): Effect.Effect<A, TokenStoreError> =>
  Number.isFinite(lasts) && lasts >= 0 && lasts <= TEN_YEARS
    ? Effect.suspend(effect)
    : Effect.fail(new TokenStoreError({ reason: "unreachable", key, detail: "`lasts` is no number of milliseconds" }))

const finite = (instant: number | undefined) => (Number.isFinite(instant) ? instant : undefined)
const counted = (count: number) => (Number.isSafeInteger(count) && count >= 0 ? count : 0)

const TEN_YEARS = Duration.toMillis("3650 days")
// A clock that is only adjusted goes back by less.
const JITTER = 1_000
