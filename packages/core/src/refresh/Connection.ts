import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import { AccessToken } from "../model/AccessToken.js"
import { RefreshPolicy, type ResolvedPolicy } from "../model/RefreshPolicy.js"
import type { TokenSourceDefect, TokenStoreError } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"
import { within } from "../model/Within.js"
import type { Failure } from "../store/Failure.js"
import type { Row } from "./Decision.js"
import { renewal } from "./Freshness.js"
import { instant, offsetOf } from "./Lease.js"
import type { Halt } from "./RefreshFailure.js"
import { patience } from "./RefreshTokenExpiry.js"

/** What one process knows of one key. */
export interface Slot {
  readonly key: string
  readonly source: TokenSource
  current: Current | undefined
  /** State of the schedule that spaces renewals. */
  ahead: unknown
  /** The name of an attempt of ours that the store may still know of, and that presented nothing or whose outcome we know. */
  owner: string | undefined
  /** A refresh token that the server refused, by its generation, where the store could not note that. */
  refused: { readonly generation: number; readonly failure: Failure } | undefined
  /** Fetched tokens that the store has not taken yet. */
  unsaved: Unsaved | undefined
  /** The try to save them that is under way. */
  saving: Deferred.Deferred<boolean, TokenStoreError> | undefined
  /** Whether a fiber is at work that tries until they are saved. */
  hasSaver: boolean
  /** The bug of the source that ended the last attempt. */
  defect: TokenSourceDefect | undefined
  /** When a defect under this key was last logged, by the steady clock. */
  loggedAt: bigint | undefined
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
  /** How far the wall clock that its instants are of was ahead of the steady one, in milliseconds. */
  readonly offset: number
  /** The token as a result, ready to be handed out. */
  readonly served: Exit.Exit<AccessToken>
}

/** Tokens to commit over `generation`. */
export interface Unsaved {
  readonly owner: string
  readonly generation: number
  readonly tokens: TokenSet
  readonly dueIn: number | undefined
  /** Whether the store failed to take them before. */
  readonly late: boolean
}

/** The tokens with the instants that rule them. */
export const timed = Effect.fnUntraced(function* (
  policy: ResolvedPolicy,
  slot: Slot,
  tokens: TokenSet,
  generation: number
) {
  const token = AccessToken.of(tokens, generation)
  const at = yield* instant
  const now = at.wall
  const { traits } = slot.source
  // Where a refresh ends the old token at once, early renewal only shortens its life.
  const earliest = Duration.toMillis(traits.earliestRefresh)
  const [renewAt, ahead] = yield* Effect.catchAllCause(
    Effect.suspend(() => renewal(policy.ahead, slot.ahead, token, now, earliest)).pipe(within(LONGEST_STEP, tooLong)),
    Effect.fnUntraced(function* (cause) {
      yield* logDefect(
        slot,
        `The schedule "ahead" of the policy died, or did not end, for "${slot.key}"; the default is used`,
        cause
      )
      const [renewAt] = yield* renewal(standard, undefined, token, now, earliest)
      return [renewAt, slot.ahead] as const
    })
  )
  slot.ahead = ahead
  const expiresAt = tokens.holdsUntil
  const latest = !tokens.hasAccessToken
    ? now
    : traits.revokesAccessToken
      ? Math.max(renewAt, expiresAt - Duration.toMillis(policy.lease))
      : renewAt
  const served = Exit.succeed(token)
  const current: Current = {
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
 * lease of whoever asked runs out: the source takes their refresh token once more only for so long.
 */
export const timedRow = Effect.fnUntraced(function* (
  policy: ResolvedPolicy,
  slot: Slot,
  tokens: TokenSet,
  { generation, intentAt, intentOwner, leaseUntil = 0 }: Row
) {
  const current = yield* timed(policy, slot, tokens, generation)
  if (intentAt === undefined || intentOwner === slot.owner) return current
  const end = intentAt + Duration.toMillis(slot.source.traits.replayWindow)
  const isOpen = Math.max(leaseUntil, yield* Clock.currentTimeMillis) < end
  return isOpen ? { ...current, renewAt: Math.min(current.renewAt, leaseUntil) } : current
})

/** The same by a wall clock that went back by `-step` milliseconds since: its instants would come that much too late. */
export const setBack = (current: Current, step: number): Current => {
  const tokens = current.tokens.shifted(step)
  const token = AccessToken.of(tokens, current.token.generation)
  const instants = {
    renewAt: current.renewAt + step,
    expiresAt: current.expiresAt + step,
    offset: current.offset + step
  }
  return { ...current, tokens, token, ...instants, served: Exit.succeed(token) }
}

/** The same tokens as another generation. */
export const renumbered = (current: Current, generation: number): Current => {
  const token = AccessToken.of(current.tokens, generation)
  return { ...current, token, served: Exit.succeed(token) }
}

/** Whether a row is of an older generation than what this process has kept. */
export const isOlder = (row: Row, { current }: Slot): boolean =>
  current !== undefined && row.generation < current.token.generation

/** A name for one attempt. */
export const newOwner = Effect.map(
  Effect.all([Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)]),
  (parts) => parts.map((part) => part.toString(36)).join("")
)

/** Logs what nobody foresaw, with its cause, at most once a minute for each key. */
export const logDefect = Effect.fnUntraced(function* (slot: Slot, message: string, cause: Cause.Cause<unknown>) {
  const { steady } = yield* instant
  if (slot.loggedAt !== undefined && steady - slot.loggedAt < A_MINUTE) return
  slot.loggedAt = steady
  yield* Effect.logError(message, cause)
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

const standard = RefreshPolicy.beforeExpiry("5 minutes")
/** What a schedule may take to say when: the tokens that wait for it are saved after it. */
const LONGEST_STEP = Duration.seconds(5)
const tooLong = () => new Cause.TimeoutException()
const A_MINUTE = 60_000_000_000n
