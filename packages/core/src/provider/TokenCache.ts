// Longer than 200 lines: the state of all keys has one owner, and what changes it stands together.

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { AccessToken } from "../model/AccessToken.js"
import { service } from "../model/Options.js"
import { RefreshPolicy, type ResolvedPolicy, resolved } from "../model/RefreshPolicy.js"
import {
  isTransient,
  ProviderClosed,
  ReauthorizationRequired,
  type TokenError,
  TokenStoreError
} from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import { register, rejections, waits } from "../model/TokenMetrics.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"
import { outOfTurn } from "../model/Turn.js"
import type { CachedToken } from "../refresh/CachedToken.js"
import { makeConcurrencyLimit } from "../refresh/ConcurrencyLimit.js"
import { isOlder, logDefect } from "../refresh/Connection.js"
import { freshness } from "../refresh/Freshness.js"
import { failureOf, isForgotten, type RefreshFailure, tooLong } from "../refresh/RefreshFailure.js"
import { makeProtocol } from "../refresh/RefreshProtocol.js"
import { dueIn, rowWithRenewalTime, withRenewalTime } from "../refresh/RenewalTime.js"
import { watched } from "../refresh/StoreAvailability.js"
import { TokenStore } from "../store/TokenStore.js"
import type { TokenRecord } from "../store/TokenStoreBackend.js"
import { CacheEntry, isBackingOff, type Listener, type Over } from "./CacheEntry.js"
import { makeRenewals } from "./RenewalTimer.js"
import { SingleFlight } from "./SingleFlight.js"

/**
 * Keeps the tokens of any number of keys in memory and renews them ahead of time: one flight a key; one timer and one
 * subscription to the store for all keys.
 */
export interface TokenCache {
  readonly policy: ResolvedPolicy
  readonly store: TokenStore["Type"]
  /** What happens under any key, from now on. */
  readonly events: Stream.Stream<TokenEvent>
  /** What this process knows of the key; the source counts only where the key is new here. */
  readonly entry: (of: Named) => CacheEntry
  /** What this process knows of `key`, if anything. */
  readonly find: (key: string) => CacheEntry | undefined
  /** How many keys are in memory. */
  readonly size: Effect.Effect<number>
  /** Removes from memory the keys that nobody used since `before` (epoch milliseconds) and that have nothing under way. */
  readonly release: (before: number) => Effect.Effect<void>
  /**
   * A valid token, waited for until `until` (epoch milliseconds) at most; newer than generation `newerThan`, if that is given.
   * Who is not `patient` does not wait where an attempt is pointless yet and the token at hand still holds.
   */
  readonly obtain: (
    of: Named,
    newerThan?: number,
    until?: number,
    patient?: boolean
  ) => Effect.Effect<AccessToken, TokenError>
  /**
   * Waits for one attempt to bring a token newer than generation `than`, whatever comes of it; for none where one
   * failed just now and the back-off goes on.
   */
  readonly renew: (of: Named, than: number) => Effect.Effect<void>
  /** Takes note that `token` was refused. */
  readonly reject: (of: Named, token: AccessToken) => Effect.Effect<void>
  readonly put: (of: Named, tokens: TokenSet) => Effect.Effect<AccessToken, TokenStoreError | ProviderClosed>
  readonly forget: (of: Named) => Effect.Effect<void, TokenStoreError | ProviderClosed>
  /** Looks into the store for tokens that somebody else fetched or removed. */
  readonly sync: (of: Named) => Effect.Effect<void, TokenStoreError>
  /** Calls `listener` with the current token of the key, each newer one, and none at the end, for as long as the scope lives. */
  readonly listen: (of: Named, listener: Listener) => Effect.Effect<void, never, Scope.Scope>
}

/** A key, and where its tokens come from. */
export interface Named {
  readonly key: string
  readonly source: TokenSource
}

/** Builds the cache for as long as the scope lives; what is in flight is finished before that closes. */
export const makeTokenCache = Effect.fnUntraced(function* (given: RefreshPolicy | undefined) {
  yield* register
  const policy = yield* resolved(given ?? RefreshPolicy.make())
  const kept = yield* tokenStore
  const availability = watched(kept)
  const { store } = availability
  const pubsub = yield* PubSub.sliding<TokenEvent | undefined>(EVENTS)
  const emit = (event: TokenEvent) => PubSub.publish(pubsub, event)
  const limit = makeConcurrencyLimit(kept, Duration.toMillis(policy.lease) / 3)
  const entries = new Map<string, CacheEntry>()
  const clock = yield* Effect.clock
  const renewals = makeRenewals(entries, clock)
  let closed = false
  /** Held by each put, logout and revocation under way; the end takes all. */
  const writes = Effect.unsafeMakeSemaphore(WRITES)
  const later = (effect: Effect.Effect<void>) => Effect.asVoid(Effect.forkDaemon(writes.withPermits(1)(effect)))
  const protocol = makeProtocol(availability, limit, policy, emit, later)

  /** Puts `current` to use in place of `start`, unless somebody has put newer tokens to use since. */
  const adopt = (entry: CacheEntry, start: CachedToken | undefined, found: CachedToken) => {
    const current = renewals.corrected(found)
    const known = entry.current
    entry.recovered()
    if (known === current) return
    if (known !== undefined && known !== start && known.token.generation > current.token.generation) return
    entry.adopted(current)
    renewals.plan(entry, current, current.renewAt)
    if (current.tokens.hasAccessToken) for (const listener of entry.listeners) listener(current.token)
    entry.changed()
  }

  const drop = (entry: CacheEntry) => {
    entry.cleared()
    renewals.cancel(entry)
  }

  const open = ({ key, source }: Named, usedAt: number): CacheEntry => {
    const entry = new CacheEntry(key, source, policy.ahead.initial, usedAt, () => closed)
    entries.set(key, entry)
    if (source.traits.revokes === "replaced") kept.atEnd?.(key, atEnd(entry))
    return entry
  }

  /** Revokes what the store takes with it, where nobody could use it any more. */
  const atEnd = (entry: CacheEntry): Effect.Effect<void> =>
    Effect.ignore(
      Effect.flatMap(kept.load(entry.key), (row) => {
        const tokens = Option.getOrUndefined(row)?.tokens
        return tokens === undefined ? Effect.void : protocol.revoke(entry, tokens)
      })
    )

  const entryOf = (of: Named): CacheEntry => entries.get(of.key) ?? open(of, clock.unsafeCurrentTimeMillis())

  const find = (key: string) => entries.get(key)

  /** Whether `entry` is the one of its key. What was replaced, or released, changes nothing any more. */
  const isCurrent = (entry: CacheEntry) => entries.get(entry.key) === entry

  /** Puts an entry that knows nothing in the place of `entry`, so that what is under way there changes nothing. */
  const replace = (entry: CacheEntry, over: Over): CacheEntry => {
    const next = open(entry, entry.usedAt)
    entry.replacedBy(next, over)
    renewals.cancel(entry)
    entry.changed()
    return next
  }

  /** Looks the row up, where nobody can know in which order the store did what it was asked. */
  const reload = (key: string) =>
    Effect.suspend(() => {
      const entry = entries.get(key)
      return entry === undefined ? Effect.void : Effect.ignore(sync(replace(entry, "moved")))
    })

  /** Step 2: the flight under way, or a new one. It runs to its end, also when its callers stop waiting. */
  const startRefresh = (entry: CacheEntry): Effect.Effect<SingleFlight<AccessToken, TokenError>> =>
    Effect.suspend(() => {
      if (entry.flight !== undefined) return Effect.succeed(entry.flight)
      const flight = new SingleFlight<AccessToken, TokenError>()
      const { current } = entry
      entry.flightStarted(flight)
      return protocol.attempt(entry).pipe(
        Effect.raceFirst(flight.expireWaiters),
        Effect.exit,
        Effect.flatMap((exit) => completeRefresh(entry, flight, current, exit)),
        Effect.interruptible,
        Effect.forkDaemon,
        Effect.as(flight)
      )
    }).pipe(Effect.uninterruptible)

  /** Makes the outcome visible, and only then frees the slot. */
  const completeRefresh = (
    entry: CacheEntry,
    flight: SingleFlight<AccessToken, TokenError>,
    start: CachedToken | undefined,
    exit: Exit.Exit<CachedToken, RefreshFailure>
  ) =>
    Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void> => {
      const failure = Exit.isFailure(exit) ? failureOf(entry.key, exit.cause, now + TRUST) : undefined
      const forgotten = entry.over !== undefined || (failure !== undefined && isForgotten(failure.error))
      if (forgotten) {
        drop(entry)
        flight.end(Exit.fail(new ReauthorizationRequired({ key: entry.key, reason: "forgotten" })))
      } else if (Exit.isSuccess(exit)) {
        const current = renewals.corrected(exit.value)
        adopt(entry, start, current)
        flight.end(Exit.succeed(current.token))
      } else if (failure !== undefined) {
        entry.failed(failure, now)
        if (entry.current !== undefined) renewals.plan(entry, entry.current, Math.max(failure.until, now + SOONEST))
        flight.end(Exit.fail(failure.error))
      }
      entry.flightEnded()
      const late = Exit.isSuccess(exit) && exit.value.by !== "elsewhere" && entry.over === "forgotten"
      if (late) return protocol.revoke(entry, exit.value.tokens)
      const isDefect = Exit.isFailure(exit) && Option.isNone(Cause.failureOption(exit.cause))
      return isDefect ? logDefect(entry, `A refresh of "${entry.key}" died`, exit.cause) : Effect.void
    })

  const obtain = Effect.fnUntraced(function* (
    of: Named,
    newerThan?: number,
    until = Number.POSITIVE_INFINITY,
    patient = true
  ) {
    const wait = Duration.toMillis(policy.wait)
    let deadline = until
    for (let first = true; ; first = false) {
      const entry = entryOf(of)
      if (closed) return yield* new ProviderClosed({ key: entry.key })
      if (newerThan !== undefined) entry.wanted(newerThan)
      const now = yield* Clock.currentTimeMillis
      deadline = Math.min(deadline, now + wait) // nearer where the clock went back
      const { current, lastFailure } = entry
      const tooOld = newerThan !== undefined && (current === undefined || current.token.generation <= newerThan)
      const decision = tooOld ? "expired" : freshness(current, now)
      const backsOff = isBackingOff(lastFailure, now) && now < lastFailure.at + TRUST
      if (current !== undefined && decision !== "expired") {
        if (decision === "stale" && !backsOff) yield* startRefresh(entry)
        return current.token
      }
      if (first) yield* Metric.increment(waits)
      else if (now >= deadline) return yield* lastFailure?.error ?? tooLong(entry.key)
      if (backsOff) {
        const rests = !patient && freshness(current, now) !== "expired"
        if (rests || !isTransient(lastFailure.error) || lastFailure.until >= deadline) return yield* lastFailure.error
        yield* entry.change(Math.max(1, Math.min(lastFailure.until, lastFailure.at + TRUST, deadline) - now))
        continue
      }
      const exit = yield* (yield* startRefresh(entry)).join(deadline)
      if (exit === undefined) return yield* entry.lastFailure?.error ?? tooLong(entry.key)
      if (entry.over === "moved") continue
      if (Exit.isFailure(exit)) {
        const error = Cause.failureOption(exit.cause)
        if (Option.isNone(error) || !isTransient(error.value)) return yield* exit
      } else if (newerThan === undefined || exit.value.generation > newerThan) return exit.value
      // The first may have been on its way before; a row that goes back and forth is looked at now and then.
      else if (!first) yield* entry.change(SOONEST)
    }
  }, outOfTurn)

  const renew = Effect.fnUntraced(function* (of: Named, than: number) {
    const entry = entryOf(of)
    const now = yield* Clock.currentTimeMillis
    if (closed || isBackingOff(entry.lastFailure, now) || (entry.current?.token.generation ?? -1) > than) return
    yield* (yield* startRefresh(entry)).join(now + Duration.toMillis(policy.wait))
  }, outOfTurn)

  const reject = Effect.fnUntraced(function* (of: Named, token: AccessToken) {
    const entry = entryOf(of)
    const now = yield* Clock.currentTimeMillis
    const { current, key } = entry
    const { generation } = token
    if (current === undefined || current.rejected || current.token.generation !== generation) return
    const mayRefresh = entry.takeRefreshPermit(now)
    if (mayRefresh) entry.rejected(current)
    yield* Metric.increment(rejections)
    yield* emit(
      mayRefresh ? TokenEvent.Rejected({ key, generation }) : TokenEvent.RejectionsIgnored({ key, generation })
    )
  })

  const put = Effect.fn("TokenProvider.put")(
    function* (of: Named, putting: TokenSet) {
      const entry = entryOf(of)
      const { key, removals } = entry
      if (closed) return yield* new ProviderClosed({ key })
      if (!putting.hasAccessToken && putting.refreshToken === undefined) {
        return yield* new TokenStoreError({ reason: "corrupt", key, detail: "there is no token to put" })
      }
      entry.used(yield* Clock.currentTimeMillis)
      const tokens = putting.obtained(putting.obtainedAt ?? entry.usedAt)
      const draft = yield* withRenewalTime(policy, entry, tokens, 0)
      const generation = yield* store.put(key, tokens, yield* dueIn(entry, draft))
      const token = AccessToken.of(tokens, generation)
      if (!isCurrent(entry) || entry.removals !== removals) yield* reload(key)
      // Else what is known is newer already.
      else if (generation > (entry.current?.token.generation ?? -1)) {
        adopt(replace(entry, "moved"), undefined, { ...draft, token, served: Exit.succeed(token) })
      }
      yield* emit(TokenEvent.Put({ key, generation }))
      return token
    },
    writes.withPermits(1),
    Effect.uninterruptible
  )

  const forget = Effect.fn("TokenProvider.forget")(
    function* (of: Named) {
      const entry = entryOf(of)
      const { key } = entry
      if (closed) return yield* new ProviderClosed({ key })
      const kept = yield* Effect.orElseSucceed(store.load(key), () => Option.none<TokenRecord>())
      yield* store.remove(key)
      const newest = newestOf(entry, Option.getOrUndefined(kept))
      if (isCurrent(entry)) replace(entry, "forgotten")
      else yield* reload(key)
      yield* emit(TokenEvent.Forgotten({ key }))
      if (newest !== undefined) yield* protocol.revoke(entry, newest)
    },
    writes.withPermits(1),
    Effect.uninterruptible
  )

  const sync = Effect.fnUntraced(function* (of: Named) {
    if (closed) return
    const entry = entryOf(of)
    const { current: start } = entry
    const record = Option.getOrUndefined(yield* store.load(entry.key))
    // While newer tokens wait to be saved, an older row is no sign of lost commits.
    if (entry.pending !== undefined) return
    if (record !== undefined && isCurrent(entry) && entry.flight === undefined && isOlder(record, entry)) {
      const known = entry.current
      const restored = known && (yield* protocol.restore(entry, known, record.generation))
      if (restored !== undefined && entry.current === known && isCurrent(entry)) adopt(entry, known, restored)
      return
    }
    const found = record?.tokens && (yield* rowWithRenewalTime(policy, entry, record.tokens, record))
    if (!isCurrent(entry) || entry.flight !== undefined || entry.pending !== undefined) return
    if (record === undefined && entry.current === start) return drop(entry)
    if (found === undefined || found.token.generation <= (entry.current?.token.generation ?? -1)) return
    adopt(entry, start, found)
    const { expiresAt, generation } = found.token
    yield* emit(TokenEvent.Adopted({ key: entry.key, generation, expiresAt }))
  })

  const listen = (of: Named, listener: Listener) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          if (closed) return listener(undefined)
          const entry = entryOf(of)
          entry.listen(listener)
          if (entry.current?.tokens.hasAccessToken === true) listener(entry.current.token)
        }),
        () => Effect.sync(() => entries.get(of.key)?.unlisten(listener)) // it is not released while it has listeners
      )
    )

  const watcher = store.changes.pipe(
    Stream.mapEffect(
      ({ key, generation }) => {
        const entry = entries.get(key)
        if (entry === undefined) return Effect.void
        entry.changed()
        if (generation === 0) entry.rowRemoved()
        const current = entry.current?.token.generation
        const wanted = current !== undefined || entry.lastFailure !== undefined || entry.listeners.size > 0
        const news = generation === 0 ? current !== undefined : generation !== current
        if (!wanted || !news || entry.flight !== undefined) return Effect.void
        return Effect.catchAllCause(sync(entry), (cause) =>
          Option.isSome(Cause.failureOption(cause))
            ? Effect.void
            : logDefect(entry, `A hint about "${key}" could not be followed`, cause)
        )
      },
      { concurrency: 16, unordered: true }
    ),
    Stream.runDrain,
    Effect.tapErrorCause((cause) =>
      Effect.logError("The store's changes cannot be heard; they are asked for again", cause)
    ),
    Effect.sandbox,
    Effect.retry(Schedule.jittered(Schedule.spaced(DEAF)))
  )

  const release = (before: number) =>
    Effect.sync(() => {
      for (const [key, entry] of entries) {
        if (entry.isBusy || entry.usedAt >= before) continue
        drop(entry)
        entries.delete(key)
      }
    })

  const close = Effect.suspend(() => {
    closed = true
    const busy = [...entries.values()].filter((entry) => entry.flight !== undefined || entry.pending !== undefined)
    const finished = Effect.forEach(
      busy,
      (entry) => {
        entry.changed()
        const ended = entry.flight?.join(Number.POSITIVE_INFINITY) ?? Effect.void
        return Effect.ignore(Effect.zipRight(ended, protocol.save(entry)))
      },
      { concurrency: "unbounded", discard: true }
    )
    const written = writes.withPermits(WRITES)(Effect.void)
    return Effect.all([limit.close, finished, written], { discard: true }).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeout(policy.wait),
      Effect.withClock(Clock.make()),
      Effect.ignore
    )
  })

  /** Nothing is handed out any more, and the streams end. */
  const end = Effect.suspend(() => {
    for (const entry of entries.values()) {
      drop(entry)
      for (const listener of entry.listeners) listener(undefined)
    }
    return PubSub.publish(pubsub, undefined)
  })

  yield* Effect.addFinalizer(() => Effect.zipRight(close, end))
  yield* Effect.forkScoped(renewals.run(startRefresh))
  yield* Effect.forkScoped(watcher)
  const events = Stream.suspend(() =>
    closed ? Stream.empty : Stream.takeWhile(Stream.fromPubSub(pubsub), Predicate.isNotUndefined)
  )
  const cache: TokenCache = {
    ...{ policy, store, events, entry: entryOf, find, size: Effect.sync(() => entries.size), release },
    ...{ obtain, renew, reject, put, forget, sync, listen }
  }
  return cache
})

/** The newest tokens that anybody knows of, so that a logout can take them back. */
const newestOf = ({ current, pending }: CacheEntry, kept: TokenRecord | undefined): TokenSet | undefined => {
  let newest: { readonly tokens: TokenSet | undefined; readonly generation: number } | undefined = kept
  if (current !== undefined && current.token.generation > (newest?.generation ?? -1)) {
    newest = { tokens: current.tokens, generation: current.token.generation }
  }
  return pending !== undefined && pending.generation >= (newest?.generation ?? -1) ? pending.tokens : newest?.tokens
}

/** The store of the context. */
export const tokenStore = service(TokenStore, "a layer below that gives it, such as MemoryTokenStore.layer")

const EVENTS = 1_024
const WRITES = Number.MAX_SAFE_INTEGER
const DEAF = Duration.toMillis("5 seconds")
const TRUST = Duration.toMillis("1 second")
const SOONEST = Duration.toMillis("100 millis")
