import { Clock, Duration, Effect, Either, Fiber, Option, Random } from "effect"
import { endingOf } from "./Ending.js"
import { exchange, isInDoubt, noted, remembered } from "./Exchange.js"
import { backOff, decide } from "./Freshness.js"
import { Halt } from "./Halt.js"
import { type Plan, plan, type View } from "./Plan.js"
import type { ResolvedPolicy } from "./RefreshPolicy.js"
import { type Current, dueIn, type Slot, timed, type Unsaved } from "./Slot.js"
import { ReauthorizationRequired, TokenEndpointError, TokenStoreError } from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import type { TokenSet } from "./TokenSet.js"
import type { SourceError } from "./TokenSource.js"
import type { Failure, TokenRecord, TokenStore } from "./TokenStore.js"
import { currentTurn, endTurn } from "./Turn.js"
import { within } from "./Within.js"

/** The one path to a token endpoint. Provider, worker and service all go through it. */
export interface RefreshProtocol {
  /**
   * Brings tokens newer than `slot.current`: adopts what others fetched, else asks once, under the lease. Run it in a
   * fiber that nobody interrupts, so that whoever stops waiting stops neither the request nor the save.
   */
  readonly attempt: (slot: Slot) => Effect.Effect<Current, Halt>
  /** Tries again to save what the store would not take; false where somebody saved newer tokens or removed the row. */
  readonly save: (slot: Slot) => Effect.Effect<boolean, TokenStoreError>
  /** Tells the source that the tokens are no longer wanted; best effort, bounded in time. */
  readonly revoke: (slot: Slot, tokens: TokenSet) => Effect.Effect<void>
}

/** Builds the protocol for all keys of one process. */
export const makeProtocol = (
  store: TokenStore["Type"],
  policy: ResolvedPolicy,
  emit: (event: TokenEvent) => Effect.Effect<void>
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

  /** The tokens of `view`, if they are newer than what the slot has and still hold. */
  const adoptable = Effect.fnUntraced(function* (
    slot: Slot,
    start: Current | undefined,
    view: TokenRecord | undefined
  ) {
    const now = yield* Clock.currentTimeMillis
    const { current: known } = slot
    if (known !== start && known !== undefined && decide(known, now) !== "wait") return known
    if (view?.tokens === undefined) return undefined
    // The same tokens count only where this clock went ahead and so saw their end too early.
    const same = known !== undefined && view.generation === known.token.generation
    if (same && (known.rejected || now < known.expiresAt)) return undefined
    if (now >= (view.tokens.expiresAt ?? Number.POSITIVE_INFINITY)) return undefined
    const current = yield* timed(policy, slot, view.tokens, view.generation)
    yield* emit(TokenEvent.Adopted({ key: slot.key, generation: view.generation, expiresAt: view.tokens.expiresAt }))
    return current
  })

  /**
   * Saves `slot.unsaved`. Where another took the lease over and let go of it without newer tokens, a new lease is taken
   * for it, since nobody else has what a spent refresh token brought.
   */
  const save = Effect.fnUntraced(function* (slot: Slot) {
    const { key, unsaved } = slot
    if (unsaved === undefined) return true
    let saved = yield* store.commit(key, unsaved)
    if (!saved) {
      const owner = yield* newOwner
      const request = { owner, known: unsaved.generation, lasts, presents: false, force: true }
      const record = Option.getOrUndefined(yield* store.lease(key, request))
      if (record?.leaseOwner === owner) {
        saved = yield* store.commit(key, { ...unsaved, owner })
      } else if (record?.generation === unsaved.generation) {
        return yield* new TokenStoreError({ reason: "unreachable", key, detail: "another process has the lease" })
      } else if (record === undefined) yield* revoke(slot, unsaved.tokens)
    }
    if (slot.unsaved !== unsaved) return saved
    slot.unsaved = undefined
    slot.owner = undefined
    if (saved) yield* emit(TokenEvent.Saved({ key, generation: unsaved.generation + 1 }))
    // Overtaken, or saved before and the answer lost: the row is the truth.
    else if (slot.current?.tokens === unsaved.tokens) slot.current = undefined
    return saved
  })

  const revoke = (slot: Slot, tokens: TokenSet) =>
    Effect.ignore(within(policy.timeout, () => undefined)(slot.source.revoke?.(tokens) ?? Effect.void))

  const attempt = Effect.fn("RefreshProtocol.attempt")(function* (slot: Slot) {
    const { key } = slot
    const giveUpAt = (yield* Clock.currentTimeMillis) + Duration.toMillis(policy.wait)
    if (slot.unsaved !== undefined) yield* orHalt(slot, save(slot))
    const start = slot.current
    let view: View | undefined = slot.current && {
      generation: slot.current.token.generation,
      tokens: slot.current.tokens
    }
    if (view === undefined) {
      const record = yield* load(slot)
      const current = yield* adoptable(slot, start, record)
      if (current !== undefined) return current
      view = record
    }
    for (let round = 0, poll = FIRST_POLL; ; round++) {
      const rejected = slot.current?.rejected === true && slot.current.token.generation === view?.generation
      const state = { now: yield* Clock.currentTimeMillis, rejected, owner: slot.owner }
      const asked: Asked = yield* inTurn(slot, ask(slot, view, yield* plan(key, slot.source, view, state)))
      if (asked.current !== undefined) return asked.current
      const next = asked.record
      const now = yield* Clock.currentTimeMillis
      const current = yield* adoptable(slot, start, next)
      if (current !== undefined) return current
      if (next === undefined) return yield* forgotten(slot)
      view = next
      const leased = view.leaseOwner !== undefined && (view.leaseUntil ?? 0) > now
      if (!leased && view.retryAt !== undefined && view.retryAt > now) {
        return yield* new Halt({ error: remembered(key, view.failure), until: view.retryAt })
      }
      // A row that changed is planned for at once; one that is neither given nor held is looked at now and then.
      if (!leased && round < FREE_ROUNDS) continue
      if (now >= giveUpAt) {
        const error = leased
          ? new TokenEndpointError({ key, reason: "timeout", detail: "another process kept the lease" })
          : new TokenStoreError({ reason: "unreachable", key, detail: "it neither gives nor refuses the lease" })
        return yield* new Halt({ error, until: now + STORE_RETRY })
      }
      const jittered = poll * (yield* Random.nextRange(0.5, 1))
      const rest = leased ? (view.leaseUntil ?? 0) - now : jittered
      yield* slot.hint(Math.max(1, Math.min(jittered, rest, giveUpAt - now)))
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
    const [took, given] = yield* clocked(orHalt(slot, store.lease(key, request)))
    const record = Option.getOrUndefined(given)
    const asked: Asked = { record, current: undefined }
    if (record === undefined) return asked
    if (record.leaseOwner !== owner || !(yield* holds(slot, owner, took))) {
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
    const current = yield* present(slot, record, by, owner)
    return { current, record: current === undefined ? yield* load(slot) : record } satisfies Asked
  })

  /** Whether the lease is still `owner`'s after an answer that took that long; renews it where little is left of it. */
  const holds = (slot: Slot, owner: string, took: Duration.Duration, tries = 0): Effect.Effect<boolean, Halt> => {
    const { key } = slot
    if (Duration.lessThanOrEqualTo(took, Duration.times(policy.lease, 1 / 3))) return Effect.succeed(true)
    if (tries === MOST_RENEWALS) {
      const detail = "it answers too slowly for the lease"
      return orHalt(slot, new TokenStoreError({ reason: "unreachable", key, detail }))
    }
    return Effect.flatMap(clocked(orHalt(slot, store.renew(key, owner, lasts))), ([took, held]) =>
      held ? holds(slot, owner, took, tries + 1) : Effect.succeed(false)
    )
  }

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
  const present = Effect.fnUntraced(function* (slot: Slot, record: TokenRecord, first: Failure["by"], owner: string) {
    const keeping = yield* Effect.fork(keepLease(slot.key, owner))
    const rejected = slot.current?.rejected === true && slot.current.token.generation === record.generation
    const newer = rejected || slot.beyond >= record.generation
    const ask = (by: Failure["by"]) => Effect.either(exchange(slot.source, by, record.tokens, newer, policy.timeout))
    let by = first
    let refreshRefused = false
    let answer = yield* ask(by)
    if (
      by === "refresh" &&
      slot.source.login !== undefined &&
      Either.isLeft(answer) &&
      answer.left._tag === "GrantRejected"
    ) {
      const now = yield* load(slot)
      if (now?.generation === record.generation) {
        refreshRefused = true
        by = "login"
        answer = yield* ask(by)
      }
    }
    yield* endTurn
    yield* Fiber.interrupt(keeping)
    return yield* Either.isRight(answer)
      ? commit(slot, record, by, owner, answer.right)
      : fail(slot, record, by, owner, answer.left, refreshRefused)
  })

  const keepLease = (key: string, owner: string) =>
    store.renew(key, owner, lasts).pipe(
      Effect.orElseSucceed(() => true),
      Effect.delay(Duration.times(policy.lease, 1 / 3)),
      Effect.repeat({ while: (held) => held })
    )

  const commit = Effect.fnUntraced(function* (
    slot: Slot,
    record: TokenRecord,
    by: Failure["by"],
    owner: string,
    tokens: TokenSet
  ) {
    const { key } = slot
    const ending = endingOf(tokens, record.tokens, policy.warnings, yield* Clock.currentTimeMillis)
    const current: Current = { ...(yield* timed(policy, slot, tokens, record.generation + 1)), by, endsAt: ending?.at }
    const unsaved: Unsaved = { owner, generation: record.generation, tokens, dueIn: yield* dueIn(slot, current) }
    const saved = yield* Effect.either(store.commit(key, unsaved))
    if (Either.isRight(saved) && saved.right) {
      slot.owner = undefined
    } else {
      slot.unsaved = unsaved
      // Where the store failed it is asked again later; where it said no, somebody took the lease over.
      const settled: Either.Either<boolean, TokenStoreError> = Either.isLeft(saved)
        ? saved
        : yield* Effect.either(save(slot))
      if (Either.isLeft(settled)) yield* emit(TokenEvent.SaveFailed({ key, generation: current.token.generation }))
      else if (!settled.right) return undefined
    }
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
    owner: string,
    cause: SourceError,
    refreshRefused: boolean
  ) {
    const { key } = slot
    const now = yield* Clock.currentTimeMillis
    const final = cause._tag === "GrantRejected"
    const dead = final || refreshRefused || record.dead
    const inDoubt = isInDoubt(by, cause)
    const failure = noted(by, cause)
    slot.failures = Math.max(record.failures, slot.failures) + 1
    const retryAfter = cause._tag === "TokenEndpointError" ? cause.retryAfter : undefined
    if (retryAfter !== undefined) yield* slot.source.traits.limits?.pause(retryAfter) ?? Effect.void
    const error = remembered(key, failure, retryAfter)
    const retryIn = final ? 0 : yield* backOff(policy.retry, slot.failures, error, now)
    const { generation } = record
    const kept = yield* Effect.option(store.fail(key, { owner, generation, failure, inDoubt, dead, retryIn }))
    // A store that missed a known outcome would take it for a doubtful one, unless the same owner comes back.
    slot.owner = Option.isNone(kept) && !inDoubt ? owner : undefined
    if (Option.isSome(kept) && !kept.value) return undefined
    const retryAt = now + retryIn
    const served = record.tokens !== undefined && now < (record.tokens.expiresAt ?? Number.POSITIVE_INFINITY)
    if (final) yield* emit(TokenEvent.ReauthorizationNeeded({ key, reason: failure.code ?? "refused" }))
    else yield* emit(TokenEvent.RefreshFailed({ key, error: failure.tag, message: error.message, retryAt, served }))
    if (inDoubt) yield* emit(TokenEvent.InDoubt({ key, presentedAt: now }))
    return yield* new Halt({ error, until: final ? Number.POSITIVE_INFINITY : retryAt })
  })

  return { attempt, save, revoke }
}

/** With how long it took. Not by `Effect.timed`, which dies on a test clock that stands between two milliseconds. */
const clocked = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<[Duration.Duration, A], E> =>
  Effect.flatMap(Effect.clock, (clock) => {
    const start = clock.unsafeCurrentTimeNanos()
    return Effect.map(effect, (result) => [Duration.nanos(clock.unsafeCurrentTimeNanos() - start), result])
  })

/** What came of an attempt to ask: tokens, or else the row as it is now. */
interface Asked {
  readonly current: Current | undefined
  readonly record: TokenRecord | undefined
}

const STORE_RETRY = 1_000
const FIRST_POLL = 50
const LAST_POLL = 1_000
const FREE_ROUNDS = 3
const MOST_RENEWALS = 3

const newOwner = Effect.map(
  Effect.all([Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)]),
  (parts) => parts.map((part) => part.toString(36)).join("")
)
