import { Clock, Duration, Effect, Exit } from "effect"
import { AccessToken } from "./AccessToken.js"
import { patience } from "./Ending.js"
import { renewal } from "./Freshness.js"
import type { Halt } from "./Halt.js"
import type { ResolvedPolicy } from "./RefreshPolicy.js"
import type { TokenSet } from "./TokenSet.js"
import type { TokenSource } from "./TokenSource.js"
import type { Failure } from "./TokenStore.js"

/** What one process knows of one key. */
export interface Slot {
  readonly key: string
  readonly source: TokenSource
  current: Current | undefined
  /** State of the schedule that spaces renewals. */
  ahead: unknown
  /** The name of an attempt of ours that the store may still know of and whose outcome we know. */
  owner: string | undefined
  /** Fetched tokens that the store has not taken yet. */
  unsaved: Unsaved | undefined
  /** How many attempts of this process failed in a row, whether or not the store could note it. */
  failures: number
  /** A newer generation than this was asked for. */
  beyond: number
  /** Waits for a hint that the row changed, at most for `millis`; halts where the provider closes. */
  readonly hint: (millis: number) => Effect.Effect<void, Halt>
}

/** The tokens in use. Instants are epoch milliseconds, `Infinity` where there is none. */
export interface Current {
  readonly tokens: TokenSet
  readonly token: AccessToken
  readonly renewAt: number
  readonly expiresAt: number
  readonly rejected: boolean
  /** Who brought them: a request of this process, or somebody else. */
  readonly by: Failure["by"] | "elsewhere"
  /** When the refresh token ends for good, if that is soon. */
  readonly endsAt: number | undefined
  /** The token as a result, ready to be handed out. */
  readonly served: Exit.Exit<AccessToken>
}

/** Tokens to commit over `generation`. */
export interface Unsaved {
  readonly owner: string
  readonly generation: number
  readonly tokens: TokenSet
  readonly dueIn: number | undefined
}

/** The tokens with the instants that rule them. */
export const timed = Effect.fnUntraced(function* (
  policy: ResolvedPolicy,
  slot: Slot,
  tokens: TokenSet,
  generation: number
) {
  const token = AccessToken.of(tokens, generation)
  const now = yield* Clock.currentTimeMillis
  const { traits } = slot.source
  // Where a refresh ends the old token at once, early renewal only shortens its life.
  const earliest = Duration.toMillis(traits.earliestRefresh)
  const [renewAt, ahead] = yield* renewal(policy.ahead, slot.ahead, token, now, earliest)
  slot.ahead = ahead
  const expiresAt = tokens.expiresAt ?? Number.POSITIVE_INFINITY
  const latest = traits.revokesAccessToken ? Math.max(renewAt, expiresAt - Duration.toMillis(policy.lease)) : renewAt
  const served = Exit.succeed(token)
  const current: Current = {
    tokens,
    token,
    renewAt: latest,
    expiresAt,
    rejected: false,
    by: "elsewhere",
    endsAt: undefined,
    served
  }
  return current
})

/** Milliseconds until a worker should renew `current`; undefined for never. */
export const dueIn = Effect.fnUntraced(function* (slot: Slot, current: Current) {
  const now = yield* Clock.currentTimeMillis
  const { keepAlive } = slot.source.traits
  const due = Math.min(
    current.renewAt - now,
    slot.source.refresh === undefined ? Number.POSITIVE_INFINITY : patience(current.tokens, now),
    keepAlive === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(keepAlive)
  )
  return Number.isFinite(due) ? Math.max(0, Math.ceil(due)) : undefined
})
