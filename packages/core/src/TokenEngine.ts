import { Cause, Clock, Duration, Effect, Exit, Metric, Option, PubSub, Redacted, Schedule, Stream } from "effect"
import { AccessToken } from "./AccessToken.js"
import { watched } from "./Availability.js"
import { type Entry, hint, isHalted, makeEntry, ring, takeRepair } from "./Entry.js"
import { Flight } from "./Flight.js"
import { decide } from "./Freshness.js"
import { type Halt, haltOf, isClosed, isForgotten, isPassing, tooLong } from "./Halt.js"
import { RefreshPolicy, type ResolvedPolicy } from "./RefreshPolicy.js"
import { isOlder, makeProtocol } from "./RefreshProtocol.js"
import { makeRenewals } from "./Renewals.js"
import { type Current, dueIn, logDefect, timed } from "./Slot.js"
import { InvalidOption, ReauthorizationRequired, type TokenError, TokenStoreError } from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import { rejections, waits } from "./TokenMetrics.js"
import type { TokenSet } from "./TokenSet.js"
import type { TokenSource } from "./TokenSource.js"
import { type TokenRecord, TokenStore } from "./TokenStore.js"
import { outOfTurn } from "./Turn.js"

/**
 * Keeps the tokens of any number of keys in memory and renews them ahead of time: one flight a key; one timer and one
 * subscription to the store for all keys.
 */
export interface TokenEngine {
  readonly policy: ResolvedPolicy
  readonly store: TokenStore["Type"]
  /** What happens under any key, from now on. */
  readonly events: Stream.Stream<TokenEvent>
  /** What this process knows of `key`; the source counts only where the key is new here. */
  readonly entry: (key: string, source: TokenSource) => Effect.Effect<Entry, InvalidOption>
  /** What this process knows of `key`, if anything. */
  readonly find: (key: string) => Entry | undefined
  /** How many keys are in memory. */
  readonly size: Effect.Effect<number>
  /** The entry that now stands for the key of `entry`: itself, also after it was released, unless another took its place. */
  readonly standing: (entry: Entry) => Entry
  /** Lets go of the keys that nobody used since `before` (epoch milliseconds) and that have nothing under way. */
  readonly release: (before: number) => Effect.Effect<void>
  /** A valid token, waited for until `until` (epoch milliseconds) at most; newer than generation `beyond`, if that is given. */
  readonly obtain: (entry: Entry, beyond?: number, until?: number) => Effect.Effect<AccessToken, TokenError>
  /** Takes note that `token` was refused. */
  readonly reject: (entry: Entry, token: AccessToken) => Effect.Effect<void>
  readonly put: (entry: Entry, tokens: TokenSet) => Effect.Effect<AccessToken, TokenStoreError>
  readonly forget: (entry: Entry) => Effect.Effect<void, TokenStoreError>
  /** Looks into the store for tokens that somebody else fetched or removed. */
  readonly sync: (entry: Entry) => Effect.Effect<void, TokenStoreError>
}

/** Builds the engine for as long as the scope lives; what is in flight is finished before that closes. */
export const makeEngine = Effect.fnUntraced(function* (given: RefreshPolicy | undefined) {
  const policy = yield* RefreshPolicy.resolve(given ?? RefreshPolicy.make())
  const availability = watched(yield* TokenStore)
  const { store } = availability
  const pubsub = yield* PubSub.sliding<TokenEvent>(EVENTS)
  const emit = (event: TokenEvent) => PubSub.publish(pubsub, event)
  const protocol = makeProtocol(availability, policy, emit)
  const entries = new Map<string, Entry>()
  const renewals = makeRenewals(entries)
  let closed = false

  /** Puts `current` to use in place of `start`, unless somebody has put newer tokens to use since. */
  const adopt = (entry: Entry, start: Current | undefined, current: Current) => {
    const known = entry.current
    entry.halt = undefined
    entry.failures = 0
    if (known === current) return
    if (known !== undefined && known !== start && known.token.generation > current.token.generation) return
    entry.current = current
    renewals.plan(entry, current, current.renewAt)
    for (const listener of entry.listeners ?? []) listener(current.token)
    ring(entry)
  }

  const drop = (entry: Entry) => {
    entry.current = undefined
    renewals.cancel(entry)
  }

  const entry = (key: string, source: TokenSource): Effect.Effect<Entry, InvalidOption> =>
    Effect.flatMap(Clock.currentTimeMillis, (usedAt) => {
      if (typeof key !== "string" || key === "") {
        return new InvalidOption({ option: "key", expected: "a name for the connection, such as an account's id" })
      }
      const known = entries.get(key)
      if (known !== undefined) return Effect.succeed(known)
      const isOver = () => closed
      const entry = makeEntry({ key, source, ahead: policy.ahead.initial, usedAt, isOver })
      entries.set(key, entry)
      return Effect.succeed(entry)
    })

  const find = (key: string) => entries.get(key)

  const standing = (entry: Entry): Entry => {
    const known = entries.get(entry.key)
    if (known === undefined) entries.set(entry.key, entry)
    return known ?? entry
  }

  /** The flight under way, or a new one. It runs to its end whoever stops waiting. */
  const fly = (entry: Entry): Effect.Effect<Flight<AccessToken, TokenError>> =>
    Effect.suspend(() => {
      if (entry.flight !== undefined) return Effect.succeed(entry.flight)
      const flight = new Flight<AccessToken, TokenError>()
      const { current, epoch } = entry
      entry.flight = flight
      return protocol.attempt(entry).pipe(
        Effect.raceFirst(flight.bell),
        Effect.exit,
        Effect.flatMap((exit) => land(entry, flight, epoch, current, exit)),
        Effect.interruptible,
        Effect.forkDaemon,
        Effect.as(flight)
      )
    }).pipe(Effect.uninterruptible)

  /** Makes the outcome visible, and only then frees the slot. */
  const land = (
    entry: Entry,
    flight: Flight<AccessToken, TokenError>,
    epoch: number,
    start: Current | undefined,
    exit: Exit.Exit<Current, Halt>
  ) =>
    Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void> => {
      const halt = Exit.isFailure(exit) ? haltOf(entry.key, exit.cause, now + TRUST) : undefined
      const forgotten = entry.epoch !== epoch || (halt !== undefined && isForgotten(halt.error))
      if (forgotten) {
        if (entry.epoch === epoch) drop(entry)
        flight.end(Exit.fail(new ReauthorizationRequired({ key: entry.key, reason: "forgotten" })))
      } else if (Exit.isSuccess(exit)) {
        adopt(entry, start, exit.value)
        flight.end(Exit.succeed(exit.value.token))
      } else if (halt !== undefined) {
        entry.halt = { ...halt, at: now }
        if (entry.current !== undefined) renewals.plan(entry, entry.current, Math.max(halt.until, now + SOONEST))
        flight.end(Exit.fail(halt.error))
      }
      entry.flight = undefined
      const isDefect = Exit.isFailure(exit) && Option.isNone(Cause.failureOption(exit.cause))
      return isDefect ? logDefect(entry, `A refresh of "${entry.key}" died`, exit.cause) : Effect.void
    })

  const obtain = Effect.fnUntraced(function* (given: Entry, beyond?: number, until = Number.POSITIVE_INFINITY) {
    const entry = standing(given)
    if (beyond !== undefined) entry.beyond = Math.max(entry.beyond, beyond)
    const wait = Duration.toMillis(policy.wait)
    let deadline = until
    for (let first = true; ; first = false) {
      const now = yield* Clock.currentTimeMillis
      deadline = Math.min(deadline, now + wait) // nearer where the clock went back
      const { current, halt } = entry
      const tooOld = beyond !== undefined && (current === undefined || current.token.generation <= beyond)
      const decision = tooOld ? "wait" : decide(current, now)
      const halted = isHalted(halt, now) && now < halt.at + TRUST
      if (current !== undefined && decision !== "wait") {
        if (decision === "renew" && !halted) yield* fly(entry)
        return current.token
      }
      if (first) yield* Metric.increment(waits)
      else if (now >= deadline) return yield* halt?.error ?? tooLong(entry.key)
      if (halted) {
        if (!isPassing(halt.error) || halt.until >= deadline) return yield* halt.error
        yield* hint(entry, Math.max(1, Math.min(halt.until, halt.at + TRUST, deadline) - now))
        continue
      }
      if (closed) return yield* isClosed(entry.key)
      const exit = yield* (yield* fly(entry)).join(deadline)
      if (exit === undefined) return yield* entry.halt?.error ?? tooLong(entry.key)
      if (Exit.isFailure(exit)) {
        const error = Cause.failureOption(exit.cause)
        if (Option.isNone(error) || !isPassing(error.value)) return yield* exit
      } else if (beyond === undefined || exit.value.generation > beyond) return exit.value
      // The first may have been on its way before; a row that goes back and forth is looked at now and then.
      else if (!first) yield* hint(entry, SOONEST)
    }
  }, outOfTurn)

  const reject = Effect.fnUntraced(function* (given: Entry, token: AccessToken) {
    const entry = standing(given)
    const now = yield* Clock.currentTimeMillis
    const { current, key } = entry
    const { generation } = token
    if (current === undefined || current.rejected || current.token.generation !== generation) return
    const repairs = takeRepair(entry, now)
    if (repairs) entry.current = { ...current, rejected: true }
    yield* Metric.increment(rejections)
    yield* emit(repairs ? TokenEvent.Rejected({ key, generation }) : TokenEvent.RejectionsIgnored({ key, generation }))
  })

  const put = Effect.fn("TokenProvider.put")(function* (entry: Entry, given: TokenSet) {
    const { current: start, key } = entry
    if (Redacted.value(given.accessToken) === "") {
      return yield* new TokenStoreError({ reason: "corrupt", key, detail: "the access token to put is empty" })
    }
    const tokens = given.obtained(given.obtainedAt ?? (yield* Clock.currentTimeMillis))
    const draft = yield* timed(policy, entry, tokens, 0)
    const generation = yield* store.put(key, tokens, yield* dueIn(entry, draft))
    entry.unsaved = undefined
    entry.owner = undefined
    const token = AccessToken.of(tokens, generation)
    adopt(entry, start, { ...draft, token, served: Exit.succeed(token) })
    yield* emit(TokenEvent.Put({ key, generation }))
    return token
  }, Effect.uninterruptible)

  const forget = Effect.fn("TokenProvider.forget")(function* (entry: Entry) {
    const { key } = entry
    const kept = yield* Effect.orElseSucceed(store.load(key), () => Option.none<TokenRecord>())
    const tokens = entry.unsaved?.tokens ?? Option.getOrUndefined(kept)?.tokens ?? entry.current?.tokens
    yield* store.remove(key)
    entry.epoch++
    entry.unsaved = undefined
    entry.owner = undefined
    entry.halt = undefined
    drop(entry)
    ring(entry)
    yield* emit(TokenEvent.Forgotten({ key }))
    if (tokens !== undefined) yield* protocol.revoke(entry, tokens)
  }, Effect.uninterruptible)

  const sync = Effect.fnUntraced(function* (entry: Entry) {
    const { current: start, epoch } = entry
    const record = Option.getOrUndefined(yield* store.load(entry.key))
    if (record !== undefined && entry.epoch === epoch && entry.flight === undefined && isOlder(record, entry)) {
      const known = entry.current
      const restored = known && (yield* protocol.restore(entry, known, record.generation))
      if (restored !== undefined && entry.current === known && entry.epoch === epoch) adopt(entry, known, restored)
      return
    }
    const found = record?.tokens && (yield* timed(policy, entry, record.tokens, record.generation))
    if (entry.epoch !== epoch || entry.flight !== undefined || entry.unsaved !== undefined) return
    if (record === undefined && entry.current === start) return drop(entry)
    if (found === undefined || found.token.generation <= (entry.current?.token.generation ?? -1)) return
    adopt(entry, start, found)
    const { expiresAt, generation } = found.token
    yield* emit(TokenEvent.Adopted({ key: entry.key, generation, expiresAt }))
  })

  const watcher = store.changes.pipe(
    Stream.mapEffect(
      ({ key, generation }) => {
        const entry = entries.get(key)
        if (entry === undefined) return Effect.void
        ring(entry)
        const current = entry.current?.token.generation
        const wanted = current !== undefined || entry.halt !== undefined || entry.listeners !== undefined
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
        const busy = entry.flight ?? entry.unsaved ?? entry.listeners
        if (busy !== undefined || entry.hints?.isEmpty === false || entry.usedAt >= before) continue
        drop(entry)
        entries.delete(key)
      }
    })

  const close = Effect.suspend(() => {
    closed = true
    const busy = [...entries.values()].filter((entry) => entry.flight !== undefined || entry.unsaved !== undefined)
    return Effect.forEach(
      busy,
      (entry) => {
        ring(entry)
        const landed = entry.flight?.join(Number.POSITIVE_INFINITY) ?? Effect.void
        return Effect.ignore(Effect.zipRight(landed, protocol.save(entry)))
      },
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.interruptible, Effect.timeout(policy.wait), Effect.withClock(Clock.make()), Effect.ignore)
  })

  yield* Effect.addFinalizer(() => close)
  yield* Effect.forkScoped(renewals.run(fly))
  yield* Effect.forkScoped(watcher)
  const events = Stream.fromPubSub(pubsub)
  const engine: TokenEngine = {
    ...{ policy, store, events, entry, find, size: Effect.sync(() => entries.size), standing, release },
    ...{ obtain, reject, put, forget, sync }
  }
  return engine
})

const EVENTS = 1_024
const DEAF = Duration.toMillis("5 seconds")
const TRUST = Duration.toMillis("1 second")
const SOONEST = Duration.toMillis("100 millis")
