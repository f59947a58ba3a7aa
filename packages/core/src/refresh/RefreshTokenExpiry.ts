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

/** How long, in milliseconds, `tokens` can wait for a refresh before their refresh token might end; `Infinity` where nobody said. */
export const patience = (tokens: TokenSet, now: number): number => {
  const at = tokens.refreshTokenExpiresAt
  if (tokens.refreshToken === undefined || at === undefined || at <= now) return Number.POSITIVE_INFINITY
  return Math.max(at - Math.min(A_DAY, (at - (tokens.obtainedAt ?? now)) / 2) - now, A_MINUTE)
}

const A_MINUTE = Duration.toMillis("1 minute")
const A_DAY = Duration.toMillis("1 day")
