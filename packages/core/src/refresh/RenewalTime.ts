import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AccessToken } from "../model/AccessToken.js"
import { instant, offsetOf } from "../model/Instant.js"
import { RefreshPolicy, type ResolvedPolicy } from "../model/RefreshPolicy.js"
import type { TokenSet } from "../model/TokenSet.js"
import { within } from "../model/Within.js"
import type { CachedToken } from "./CachedToken.js"
import { type Connection, logDefect } from "./Connection.js"
import type { Row } from "./Decision.js"
import { renewal } from "./Freshness.js"
import { latestRefresh } from "./RefreshTokenExpiry.js"

/** The tokens with the instants that rule them. */
export const withRenewalTime = Effect.fnUntraced(function* (
  policy: ResolvedPolicy,
  connection: Connection,
  tokens: TokenSet,
  generation: number
) {
  const token = AccessToken.of(tokens, generation)
  const at = yield* instant
  const now = at.wall
  const { traits } = connection.source
  // Where a refresh ends the old token at once, early renewal only shortens its life.
  const earliest = Duration.toMillis(traits.earliestRefresh)
  const [renewAt, scheduleState] = yield* Effect.catchAllCause(
    Effect.suspend(() => renewal(policy.ahead, connection.scheduleState, token, now, earliest)).pipe(
      within(LONGEST_STEP, tooLong)
    ),
    Effect.fnUntraced(function* (cause) {
      yield* logDefect(
        connection,
        `The schedule "ahead" of the policy died, or did not end, for "${connection.key}"; the default is used`,
        cause
      )
      const [renewAt] = yield* renewal(standard, undefined, token, now, earliest)
      return [renewAt, connection.scheduleState] as const
    })
  )
  connection.scheduled(scheduleState)
  const expiresAt = tokens.holdsUntil
  const wanted = traits.revokesAccessToken ? Math.max(renewAt, expiresAt - Duration.toMillis(policy.lease)) : renewAt
  // The refresh token may end before the access token.
  const needed = connection.source.refresh === undefined ? Number.POSITIVE_INFINITY : latestRefresh(tokens, now)
  const allowed = Math.max(needed, token.obtainedAt + earliest)
  const latest = tokens.hasAccessToken ? Math.min(wanted, Math.ceil(allowed)) : now
  const served = Exit.succeed(token)
  const current: CachedToken = {
    tokens,
    token,
    renewAt: latest,
    expiresAt,
    rejected: false,
    by: "elsewhere",
    endsAt: undefined,
    offset: offsetOf(at),
    served
  }
  return current
})

/**
 * The same of the tokens in a row. Where nobody knows the answer to their last refresh, they are renewed as soon as the
 * lease of that attempt runs out: the source takes their refresh token once more only for so long.
 */
export const rowWithRenewalTime = Effect.fnUntraced(function* (
  policy: ResolvedPolicy,
  connection: Connection,
  tokens: TokenSet,
  { generation, intentAt, intentOwner, leaseUntil = 0 }: Row
) {
  const current = yield* withRenewalTime(policy, connection, tokens, generation)
  if (intentAt === undefined || intentOwner === connection.owner) return current
  const end = intentAt + Duration.toMillis(connection.source.traits.replayWindow)
  const isOpen = Math.max(leaseUntil, yield* Clock.currentTimeMillis) < end
  return isOpen ? { ...current, renewAt: Math.min(current.renewAt, leaseUntil) } : current
})

/** Milliseconds until a worker should renew `current`; undefined for never. */
export const dueIn = Effect.fnUntraced(function* (connection: Connection, current: CachedToken) {
  const now = yield* Clock.currentTimeMillis
  const { keepAlive } = connection.source.traits
  const due = Math.min(
    current.renewAt - now,
    keepAlive === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(keepAlive)
  )
  return Number.isFinite(due) ? Math.max(0, Math.ceil(due)) : undefined
})

const standard = RefreshPolicy.beforeExpiry("5 minutes")
/** What a schedule may take to say when: the tokens that wait for it are saved after it. */
const LONGEST_STEP = Duration.seconds(5)
const tooLong = () => new Cause.TimeoutException()
