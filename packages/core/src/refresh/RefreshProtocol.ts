// refresh/: The refresh protocol, docs/protocol.md: one request for one key among all processes.
// May import store/ and model/.
// Must not know of OAuth, HTTP, timers, callers.

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { ResolvedPolicy } from "../model/RefreshPolicy.js"
import {
  ReauthorizationRequired,
  TokenEndpointError,
  type TokenSourceDefect,
  TokenStoreError
} from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { SourceError } from "../model/TokenSource.js"
import { currentTurn, endTurn } from "../model/Turn.js"
import { within } from "../model/Within.js"
import type { Failure, TokenRecord } from "../store/TokenStore.js"
import { type Current, dueIn, logDefect, newOwner, type Slot, timed, timedRow, type Unsaved } from "./Connection.js"
import { type Plan, plan, type View } from "./Decision.js"
import { backOff, decide } from "./Freshness.js"
import { type Instant, instant, type Lease, makeLease } from "./Lease.js"
import { makeSaving, type Saving } from "./PendingCommit.js"
import { Halt } from "./RefreshFailure.js"
import { endingOf } from "./RefreshTokenExpiry.js"
import { exchange, isInDoubt, noted, remembered } from "./RequestTokens.js"
import type { Availability } from "./StoreAvailability.js"

/** The one path to a token endpoint. Provider, worker and service all go through it. */
export interface RefreshProtocol extends Pick<Saving, "save" | "restore"> {
  /**
   * Brings tokens newer than `slot.current`: adopts what others fetched, else asks once, under the lease. Run it in a
   * fiber of its own, so that a caller that stops waiting stops neither the request nor the save.
   */
  readonly attempt: (slot: Slot) => Effect.Effect<Current, Halt>
  /** Tells the source that the tokens are no longer wanted; best effort, bounded in time. */
  readonly revoke: (slot: Slot, tokens: TokenSet) => Effect.Effect<void>
}

/** Builds the protocol for all keys of one process. */
export const makeProtocol = (
  { grace, store }: Availability,
  policy: ResolvedPolicy,
  emit: (event: TokenEvent) => Effect.Effect<unknown>
): RefreshProtocol => {
  const lasts = Duration.toMillis(policy.lease)

  /** Ends the attempt where the store fails, to be made again after a back-off of this process's own. */
  const orHalt = <A>(slot: Slot, effect: Effect.Effect<A, TokenStoreError>): Effect.Effect<A, Halt> =>
    Effect.catchAll(
      effect,
      Effect.fnUntraced(function* (error) {
        const now = yield* Clock.currentTimeMillis
        slot.failures++
        return yield* new Halt({ error, until: now + (yield* backOff(policy.retry, slot.failures, error, now)) })
      })
    )

  const load = (slot: Slot) => Effect.map(orHalt(slot, store.load(slot.key)), Option.getOrUndefined)

  const revoke = (slot: Slot, tokens: TokenSet) =>
    Effect.suspend(() => slot.source.revoke?.(tokens) ?? Effect.void).pipe(
      within(policy.timeout, () => undefined),
      Effect.catchAllCause(() => Effect.void)
    )

  const { keepSaving, restore, save } = makeSaving(store, lasts, emit, revoke)

  /** The tokens of `view`, if they are newer than what the slot has and still hold. */
  const adoptable = Effect.fnUntraced(function* (
    slot: Slot,
    start: Current | undefined,
    view: TokenRecord | undefined
  ) {
    const now = yield* Clock.currentTimeMillis
    const { current: known } = slot
    if (known !== start && known !== undefined && decide(known, now) !== "wait") return known
    if (view?.tokens === undefined || isOlder(view, slot)) return undefined
    // The same tokens count only where this clock went ahead and so saw their end too early.
    const same = known !== undefined && view.generation === known.token.generation
    if (same && (known.rejected || now < known.expiresAt)) return undefined
    if (now >= view.tokens.holdsUntil) return undefined
    const current = yield* timedRow(policy, slot, view.tokens, view)
    yield* emit(TokenEvent.Adopted({ key: slot.key, generation: view.generation, expiresAt: view.tokens.expiresAt }))
    return current
  })

  const attempt = Effect.fn("RefreshProtocol.attempt")(function* (slot: Slot) {
    const { key } = slot
    const began = yield* instant
    const waited = Effect.map(instant, ({ steady }) => Number((steady - began.steady) / 1_000_000n))
    const wait = Duration.toMillis(policy.wait)
    if (slot.unsaved !== undefined) yield* orHalt(slot, save(slot))
    let start = slot.current
    let view: View | undefined = start && memory(start)
    if (view === undefined) {
      const record = yield* load(slot)
      const current = yield* adoptable(slot, start, record)
      if (current !== undefined) return current
      view = record
    }
    for (let round = 0, poll = FIRST_POLL; ; round++) {
      if (slot.current !== undefined && view !== undefined && isOlder(view, slot)) {
        // The row is not what the store once took: its refresh token is spent, and ours is the newer one.
        const restored = yield* orHalt(slot, restore(slot, slot.current, view.generation))
        if (restored !== undefined) {
          slot.beyond = slot.beyond === slot.current.token.generation ? restored.token.generation : slot.beyond
          start = slot.current = restored
          view = memory(restored)
        } else if (round >= FREE_ROUNDS) {
          const detail = "it gives an older generation than it took"
          return yield* orHalt(slot, new TokenStoreError({ reason: "unreachable", key, detail }))
        } else {
          view = yield* load(slot)
          continue
        }
      }
      const rejected = slot.current?.rejected === true && slot.current.token.generation === view?.generation
      const left = view === undefined ? 0 : yield* grace({ leaseOwner: undefined, leaseUntil: undefined, ...view })
      const state = { now: yield* Clock.currentTimeMillis, rejected, owner: slot.owner, grace: left }
      const asked: Asked = yield* inTurn(slot, ask(slot, view, yield* plan(key, slot.source, view, state)))
      if (asked.current !== undefined) return asked.current
      const next = asked.record
      const current = yield* adoptable(slot, start, next)
      if (current !== undefined) return current
      if (next === undefined) return yield* forgotten(slot)
      view = next
      if (isOlder(view, slot)) continue
      const now = yield* Clock.currentTimeMillis
      const leased = view.leaseOwner !== undefined && (view.leaseUntil ?? 0) > now
      if (!leased && view.retryAt !== undefined && view.retryAt > now) {
        const error = view.failure?.tag === "TokenSourceDefect" ? slot.defect : undefined
        return yield* new Halt({ error: error ?? remembered(key, view.failure), until: view.retryAt })
      }
      // A row that changed is planned for at once; one that is neither given nor held is looked at now and then.
      if (!leased && round < FREE_ROUNDS) continue
      const patience = wait - (yield* waited)
      if (patience <= 0) {
        const error = leased
          ? new TokenEndpointError({ key, reason: "timeout", detail: "another process kept the lease" })
          : new TokenStoreError({ reason: "unreachable", key, detail: "it neither gives nor refuses the lease" })
        return yield* new Halt({ error, until: now + STORE_RETRY })
      }
      const jittered = poll * (yield* Random.nextRange(0.5, 1))
      const rest = leased ? (view.leaseUntil ?? 0) - now : jittered
      yield* slot.hint(Math.max(1, Math.min(jittered, rest, patience)))
      poll = Math.min(poll * 2, LAST_POLL)
      const record = yield* load(slot)
      const found = yield* adoptable(slot, start, record)
      if (found !== undefined) return found
      if (record === undefined) return yield* forgotten(slot)
      view = record
    }
  })

  /** Takes the lease and, where it is given, asks the token endpoint; gives the row where that brought no tokens. */
  const ask = Effect.fnUntraced(function* (slot: Slot, view: View | undefined, { by, force, replay }: Plan) {
    const { key } = slot
    const owner: string = slot.owner ?? (yield* newOwner)
    slot.owner = owner
    const known = view?.tokens === undefined ? undefined : view.generation
    const request = { owner, known, lasts, presents: by === "refresh", force }
    const askedAt = yield* instant
    const record = Option.getOrUndefined(yield* orHalt(slot, store.lease(key, request)))
    const asked: Asked = { record, current: undefined }
    if (record === undefined) return asked
    if (record.leaseOwner !== owner) {
      slot.owner = undefined
      return asked
    }
    if (record.dead && by === "refresh") {
      // Refused meanwhile, as another process found out: it is not presented again.
      const failure: Failure = record.failure ?? { by, tag: "GrantRejected" }
      const { generation } = record
      const seen = { owner, generation, failure, inDoubt: false, dead: true, retryIn: 0 }
      yield* orHalt(slot, store.fail(key, seen))
      slot.owner = undefined
      return { ...asked, record: yield* load(slot) }
    }
    if (replay) yield* emit(TokenEvent.Replayed({ key }))
    // From here on an interruption ends the request, and nothing else: what it came to is noted or saved all the same.
    const current = yield* Effect.uninterruptible(present(slot, record, by, owner, askedAt))
    return { current, record: current === undefined ? yield* load(slot) : record } satisfies Asked
  })

  /** Waits, before anything is taken or written, until the limits of the source let one more request go. */
  const inTurn = (slot: Slot, request: Effect.Effect<Asked, Halt>): Effect.Effect<Asked, Halt> => {
    const { key, source } = slot
    const { limits } = source.traits
    // A flight that another's turn set off is not in that turn.
    if (limits === undefined) return Effect.locally(request, currentTurn, undefined)
    const notPaused = Effect.gen(function* () {
      const left = yield* limits.paused
      if (left === 0) return
      const now = yield* Clock.currentTimeMillis
      const detail = "the token endpoint asked for a pause"
      const error = new TokenEndpointError({ key, reason: "throttled", retryAfter: left, detail })
      return yield* new Halt({ error, until: now + left * (yield* Random.nextRange(1, 1.1)) })
    })
    const closing = Effect.forever(Effect.suspend(() => slot.hint(Duration.toMillis("1 minute"))))
    return Effect.zipRight(notPaused, limits.inTurn(Effect.zipRight(notPaused, request), closing))
  }

  const forgotten = (slot: Slot) =>
    new Halt({ error: new ReauthorizationRequired({ key: slot.key, reason: "forgotten" }), until: 0 })

  /** Asks the token endpoint under the lease and notes what came of it. None where another took the lease over. */
  const present = Effect.fnUntraced(function* (
    slot: Slot,
    record: TokenRecord,
    first: Failure["by"],
    owner: string,
    askedAt: Instant
  ) {
    const { key, source } = slot
    // Until its outcome is known, what is presented under this name is in doubt.
    slot.owner = undefined
    const lease = yield* makeLease(store, key, owner, policy.lease, askedAt)
    const keeping = yield* Effect.fork(Effect.interruptible(lease.keep))
    const rejected = slot.current?.rejected === true && slot.current.token.generation === record.generation
    const newer = rejected || slot.beyond >= record.generation
    const request = { key, source, current: record.tokens, newer, timeout: policy.timeout }
    let by = first
    let refreshRefused = false
    let answer = yield* exchange({ ...request, by }, lease)
    if (
      by === "refresh" &&
      source.login !== undefined &&
      Either.isLeft(answer) &&
      answer.left._tag === "GrantRejected"
    ) {
      // A row that cannot be read is still under our lease.
      const now = yield* Effect.orElseSucceed(store.load(key), () => Option.some(record))
      if (Option.getOrUndefined(now)?.generation === record.generation) {
        refreshRefused = true
        by = "login"
        answer = yield* exchange({ ...request, by }, lease)
      }
    }
    const ended = Either.isRight(answer)
      ? commit(slot, record, by, owner, answer.right)
      : fail(slot, record, by, lease, answer.left, refreshRefused)
    yield* endTurn
    return yield* Effect.ensuring(ended, Fiber.interruptFork(keeping))
  })

  /** Holds what came back, before anything else is done, and saves it. */
  const commit = (slot: Slot, record: TokenRecord, by: Failure["by"], owner: string, tokens: TokenSet) => {
    const held: Unsaved = { owner, generation: record.generation, tokens, dueIn: 0, late: false }
    slot.unsaved = held
    return Effect.ensuring(saved(slot, record, by, held), keepSaving(slot))
  }

  const saved = Effect.fnUntraced(function* (slot: Slot, record: TokenRecord, by: Failure["by"], held: Unsaved) {
    const { key } = slot
    const { tokens } = held
    const ending = endingOf(tokens, record.tokens, policy.warnings, yield* Clock.currentTimeMillis)
    const current: Current = { ...(yield* timed(policy, slot, tokens, record.generation + 1)), by, endsAt: ending?.at }
    const due = yield* dueIn(slot, current)
    // A logout or a login took it away.
    if (slot.unsaved !== held) return undefined
    slot.unsaved = { ...held, dueIn: due }
    const settled = yield* Effect.either(save(slot))
    if (Either.isLeft(settled)) yield* emit(TokenEvent.SaveFailed({ key, generation: current.token.generation }))
    else if (!settled.right) return undefined
    const { generation, expiresAt } = current.token
    yield* emit(TokenEvent.Refreshed({ key, generation, by, expiresAt }))
    if (expiresAt === undefined) yield* emit(TokenEvent.ExpiryUnknown({ key, generation }))
    const scopes = current.token.scopes
    if (record.tokens?.scopes?.some((scope) => !scopes.includes(scope)) === true) {
      yield* emit(TokenEvent.ScopeReduced({ key, scopes }))
    }
    if (ending?.isNews === true) yield* emit(TokenEvent.ReauthorizationSoon({ key, at: ending.at }))
    return current
  })

  const fail = Effect.fnUntraced(function* (
    slot: Slot,
    record: TokenRecord,
    by: Failure["by"],
    { owner, trouble }: Lease,
    cause: SourceError | TokenSourceDefect,
    refreshRefused: boolean
  ) {
    const { key } = slot
    slot.defect = cause._tag === "TokenSourceDefect" ? cause : undefined
    if (slot.defect !== undefined)
      yield* logDefect(slot, slot.defect.message, Cause.die(slot.defect.cause ?? slot.defect))
    const now = yield* Clock.currentTimeMillis
    const final = cause._tag === "GrantRejected"
    const dead = final || refreshRefused || record.dead
    const inDoubt = isInDoubt(by, cause)
    const failure = noted(by, cause)
    slot.failures = Math.max(record.failures, slot.failures) + 1
    const retryAfter = cause._tag === "TokenEndpointError" ? cause.retryAfter : undefined
    if (retryAfter !== undefined) yield* slot.source.traits.limits?.pause(retryAfter) ?? Effect.void
    const error = slot.defect ?? trouble() ?? remembered(key, failure, retryAfter)
    const retryIn = final ? 0 : yield* backOff(policy.retry, slot.failures, error, now)
    const { generation } = record
    const kept = yield* Effect.option(store.fail(key, { owner, generation, failure, inDoubt, dead, retryIn }))
    // A store that missed a known outcome would take it for a doubtful one, unless the same owner comes back.
    slot.owner = Option.isNone(kept) && !inDoubt ? owner : undefined
    if (Option.isSome(kept) && !kept.value) return undefined
    const retryAt = now + retryIn
    const served = record.tokens !== undefined && now < record.tokens.holdsUntil
    if (final) yield* emit(TokenEvent.ReauthorizationNeeded({ key, reason: failure.code ?? "refused" }))
    else yield* emit(TokenEvent.RefreshFailed({ key, error: failure.tag, message: error.message, retryAt, served }))
    if (inDoubt) yield* emit(TokenEvent.InDoubt({ key, presentedAt: now }))
    return yield* new Halt({ error, until: final ? Number.POSITIVE_INFINITY : retryAt })
  })

  return { attempt, save, restore, revoke }
}

/** Whether a row is of an older generation than what this process has kept. */
export const isOlder = (view: Pick<TokenRecord, "generation">, { current }: Slot): boolean =>
  current !== undefined && view.generation < current.token.generation

const memory = ({ token, tokens }: Current): View => ({ generation: token.generation, tokens })

/** What came of an attempt to ask: tokens, or else the row as it is now. */
interface Asked {
  readonly current: Current | undefined
  readonly record: TokenRecord | undefined
}

const STORE_RETRY = 1_000
const FIRST_POLL = 50
const LAST_POLL = 1_000
const FREE_ROUNDS = 3
