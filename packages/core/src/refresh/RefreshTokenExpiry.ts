import * as Duration from "effect/Duration"
import type { TokenSet } from "../model/TokenSet.js"

/** What is to be said about the end of a refresh token. */
export interface Ending {
  /** When it ends, in epoch milliseconds. */
  readonly at: number
  /** Whether a lead time began since the tokens before were saved, so that a warning is due now. */
  readonly isNews: boolean
}

/**
 * How a refresh token is about to end that `tokens` carry on from `older`: only where refreshing did not put its end
 * off, and within the longest of the lead times.
 */
export const endingOf = (
  tokens: TokenSet,
  older: TokenSet | undefined,
  leads: ReadonlyArray<Duration.Duration>,
  now: number
): Ending | undefined => {
  const at = tokens.refreshTokenExpiresAt
  if (at === undefined || tokens.refreshTokenEndSetAt === undefined) return undefined
  const begun = leads.map((lead) => at - Duration.toMillis(lead)).filter((start) => start <= now)
  if (begun.length === 0) return undefined
  return { at, isNews: begun.some((start) => start > (older?.obtainedAt ?? 0)) }
}

/**
 * When, in epoch milliseconds, `tokens` are refreshed at the latest, lest their refresh token ends first: a day before
 * its end, or at half of its life where that is later; `Infinity` where nobody said, and where it is over at `now`. Where
 * a refresh does not put its end off, the next one comes at half of what is left, and none in the last minute.
 */
export const latestRefresh = (tokens: TokenSet, now: number): number => {
  const { obtainedAt = now, refreshToken, refreshTokenEndSetAt, refreshTokenExpiresAt: at } = tokens
  if (refreshToken === undefined || at === undefined || at <= now) return Number.POSITIVE_INFINITY
  const latest = at - Math.min(A_DAY, (at - obtainedAt) / 2)
  if (at - obtainedAt > A_MINUTE) return Math.max(latest, obtainedAt + A_MINUTE)
  return refreshTokenEndSetAt === undefined ? latest : Number.POSITIVE_INFINITY
}

const A_MINUTE = Duration.toMillis("1 minute")
const A_DAY = Duration.toMillis("1 day")
