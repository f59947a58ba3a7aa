import {
  Cause,
  Clock,
  Duration,
  Effect,
  Exit,
  Metric,
  Option,
  Predicate,
  PubSub,
  Redacted,
  Schedule,
  Stream
} from "effect"
import { AccessToken } from "./AccessToken.js"
import { makeAlarm } from "./Alarm.js"
import { DueQueue } from "./DueQueue.js"
import { Flight } from "./Flight.js"
import { decide } from "./Freshness.js"
import { Halt } from "./Plan.js"
import { RefreshPolicy, type ResolvedPolicy } from "./RefreshPolicy.js"
import { type Current, makeProtocol, type Slot } from "./RefreshProtocol.js"
import {
  InvalidOption,
  ReauthorizationRequired,
  TokenEndpointError,
  type TokenError,
  TokenStoreError
} from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import { rejections, waits } from "./TokenMetrics.js"
import type { TokenSet } from "./TokenSet.js"
import type { TokenSource } from "./TokenSource.js"
import { type TokenRecord, TokenStore } from "./TokenStore.js"

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

/** What one process knows of one key. */
export interface Entry extends Slot, EntryState {}

interface EntryState {
  /** When the timer looks at it next. */
  dueAt: number
  usedAt: number
  flight: Flight<AccessToken, TokenError> | undefined
  /** Why there is no newer token, and until when it is pointless to try. */
  halt: { readonly error: TokenError; readonly until: number; readonly at: number } | undefined
  /** Moves with each `forget`, so that what was under way is dropped. */
  epoch: number
  /** How many more refreshes may be caused by refused tokens, as of `at`. */
  repairs: { readonly left: number; readonly at: number }
  /** Called with each newer token. */
  listeners: Set<(token: AccessToken) => void> | undefined
  /** Called when the row may have changed. */
  hints: Set<() => void> | undefined
}

/** Builds the engine for as long as the scope lives; what is in flight is finished before that closes. */
export const makeEngine = Effect.fnUntraced(function* (given: RefreshPolicy | undefined) {
  const policy = yield* RefreshPolicy.resolve(given ?? RefreshPolicy.make())
  const store = yield* TokenStore
  const pubsub = yield* PubSub.sliding<TokenEvent>(EVENTS)
  const emit = (event: TokenEvent) => PubSub.publish(pubsub, event)
  const protocol = makeProtocol(store, policy, emit)
  const entries = new Map<string, Entry>()
  const queue = new DueQueue<Entry>()
  const alarm = makeAlarm()
  let closed = false

  /** Waits for a hint that the row changed, or for the engine to close. */
  const hint = (entry: Entry, millis: number) =>
    Effect.raceFirst(
      Effect.async<void>((resume) => {
        const ring = () => resume(Effect.void)
        entry.hints ??= new Set()
        const { hints } = entry
        hints.add(ring)
        return Effect.sync(() => {
          hints.delete(ring)
          if (hints.size === 0) entry.hints = undefined
        })
      }),
      Effect.sleep(Math.min(millis, TICK))
    )

  const ring = (entry: Entry) => {
    for (const wake of entry.hints ?? []) wake()
  }

  /** Puts `current` to use in place of `start`, unless somebody has put newer tokens to use since. */
  const adopt = (entry: Entry, start: Current | undefined, current: Current) => {
    const known = entry.current
    entry.halt = undefined
    entry.failures = 0
    if (known === current) return
    if (known !== undefined && known !== start && known.token.generation > current.token.generation) return
    entry.current = current
    if (queue.put(entry, nextLook(current, current.renewAt))) alarm.ring()
    for (const listener of entry.listeners ?? []) listener(current.token)
    ring(entry)
  }

  const drop = (entry: Entry) => {
    entry.current = undefined
    queue.put(entry, Number.POSITIVE_INFINITY)
  }

  const entry = (key: string, source: TokenSource): Effect.Effect<Entry, InvalidOption> =>
    Effect.flatMap(Clock.currentTimeMillis, (usedAt) => {
      if (typeof key !== "string" || key === "") {
        return new InvalidOption({ option: "key", expected: "a name for the connection, such as an account's id" })
      }
      const known = entries.get(key)
      if (known !== undefined) return Effect.succeed(known)
      const entry: Entry = {
        key,
        source,
        current: undefined,
        ahead: policy.ahead.initial,
        owner: undefined,
        unsaved: undefined,
        failures: 0,
        beyond: -1,
        hint: (millis) => (closed ? new Halt({ error: isClosed(key), until: 0 }) : hint(entry, millis)),
        dueAt: Number.POSITIVE_INFINITY,
        usedAt,
        flight: undefined,
        halt: undefined,
        epoch: 0,
        repairs: { left: REPAIRS, at: 0 },
        listeners: undefined,
        hints: undefined
      }
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
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
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
        if (entry.current !== undefined) {
          if (queue.put(entry, Math.max(nextLook(entry.current, halt.until), now + SOONEST))) alarm.ring()
        }
        flight.end(Exit.fail(halt.error))
      }
      entry.flight = undefined
      return entry.unsaved === undefined ? Effect.void : Effect.asVoid(Effect.forkDaemon(saver(entry)))
    })

  /** Tries to save until it works, or somebody else did. */
  const saver = (entry: Entry) =>
    Effect.suspend(() => (closed ? Effect.succeed(true) : protocol.save(entry))).pipe(
      Effect.tap(() => (entry.current === undefined ? drop(entry) : undefined)),
      Effect.retry(
        Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("10 seconds")), Schedule.jittered)
      ),
      Effect.ignore
    )

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
  })

  const reject = Effect.fnUntraced(function* (given: Entry, token: AccessToken) {
    const entry = standing(given)
    const now = yield* Clock.currentTimeMillis
    const { current, key } = entry
    const { generation } = token
    if (current === undefined || current.rejected || current.token.generation !== generation) return
    const refilled = Math.floor((now - entry.repairs.at) / REPAIR_EVERY)
    const left = Math.min(REPAIRS, entry.repairs.left + refilled)
    if (left > 0) {
      entry.repairs = { left: left - 1, at: left === REPAIRS ? now : entry.repairs.at + refilled * REPAIR_EVERY }
      entry.current = { ...current, rejected: true }
    }
    yield* Metric.increment(rejections)
    yield* emit(left > 0 ? TokenEvent.Rejected({ key, generation }) : TokenEvent.RejectionsIgnored({ key, generation }))
  })

  const put = Effect.fn("TokenProvider.put")(function* (entry: Entry, given: TokenSet) {
    const { current: start, key } = entry
    if (Redacted.value(given.accessToken) === "") {
      return yield* new TokenStoreError({ reason: "corrupt", key, detail: "the access token to put is empty" })
    }
    const tokens = given.obtained(given.obtainedAt ?? (yield* Clock.currentTimeMillis))
    const draft = yield* protocol.timed(entry, tokens, 0)
    const generation = yield* store.put(key, tokens, yield* protocol.dueIn(entry, draft))
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
    const found = record?.tokens && (yield* protocol.timed(entry, record.tokens, record.generation))
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
        const news = generation === 0 ? current !== undefined : generation > (current ?? -1)
        return wanted && news && entry.flight === undefined ? Effect.ignore(sync(entry)) : Effect.void
      },
      { concurrency: 16, unordered: true }
    ),
    Stream.runDrain
  )

  /** Renews what is due. Looks at the wall clock at least each minute, so that sleep and clock steps do no harm. */
  const timer = Effect.gen(function* () {
    const clock = yield* Effect.clock
    const read = () => ({ wall: clock.unsafeCurrentTimeMillis(), steady: clock.unsafeCurrentTimeNanos() })
    for (let last = read(); ; ) {
      const now = read()
      const step = now.wall - last.wall - Number((now.steady - last.steady) / 1_000_000n)
      if (step < -STEP) for (const entry of entries.values()) setBack(entry, step)
      last = now
      for (let entry = queue.take(now.wall); entry !== undefined; entry = queue.take(now.wall)) {
        const { current, halt } = entry
        if (current === undefined) continue
        const rest = isHalted(halt, now.wall) ? halt.until : undefined
        const resting = decide(current, now.wall) === "serve" ? current.renewAt : rest
        if (resting === undefined && Number.isFinite(current.renewAt)) yield* fly(entry)
        else if (now.wall < current.expiresAt || (resting !== undefined && Number.isFinite(resting))) {
          queue.put(entry, nextLook(current, resting ?? current.renewAt))
        } else entry.current = { ...current, expiresAt: Number.NEGATIVE_INFINITY } // whatever the clock says later
      }
      yield* alarm.wait(() => {
        const next = queue.next()
        return Number.isFinite(next) ? Math.min(TICK, Math.ceil(next - clock.unsafeCurrentTimeMillis())) : next
      })
    }
  })

  /** The wall clock went back by `-step`: what it said of this token's end is that much too late. */
  const setBack = (entry: Entry, step: number) => {
    if (entry.current === undefined) return
    const { current } = entry
    const tokens = current.tokens.shifted(step)
    const token = AccessToken.of(tokens, current.token.generation)
    const renewAt = current.renewAt + step
    entry.current = {
      ...current,
      tokens,
      token,
      renewAt,
      expiresAt: current.expiresAt + step,
      served: Exit.succeed(token)
    }
    queue.put(entry, nextLook(entry.current, renewAt))
  }

  const release = (before: number) =>
    Effect.sync(() => {
      for (const [key, entry] of entries) {
        const busy = entry.flight ?? entry.unsaved ?? entry.listeners ?? entry.hints
        if (busy !== undefined || entry.usedAt >= before) continue
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
  yield* Effect.forkScoped(timer)
  yield* Effect.forkScoped(watcher)
  const events = Stream.fromPubSub(pubsub)
  const engine: TokenEngine = {
    ...{ policy, store, events, entry, find, size: Effect.sync(() => entries.size), standing, release },
    ...{ obtain, reject, put, forget, sync }
  }
  return engine
})

/** A token that nothing is planned for is looked at until it ends all the same, so that steps of the clock are seen. */
const nextLook = (current: Current, planned: number): number => (Number.isFinite(planned) ? planned : current.expiresAt)

/** Whether an attempt is pointless yet. A clock that went back since the last one does not make it so for longer. */
const isHalted = (halt: Entry["halt"], now: number): halt is NonNullable<Entry["halt"]> =>
  halt !== undefined && halt.at <= now && now < halt.until

const isPassing = (error: TokenError): boolean =>
  error._tag === "TokenEndpointError" || error._tag === "TokenStoreError"

const isForgotten = (error: TokenError): boolean =>
  error._tag === "ReauthorizationRequired" && error.reason === "forgotten"

const tooLong = (key: string) =>
  new TokenEndpointError({ key, reason: "timeout", detail: "no token within the policy's wait" })

const isClosed = (key: string) =>
  new TokenEndpointError({ key, reason: "unreachable", detail: "the provider is closed" })

const broken = (key: string, defect: unknown) =>
  new TokenEndpointError({
    key,
    reason: "unreadable",
    detail: `a defect: ${Predicate.isError(defect) ? defect.name : typeof defect}`
  })

const haltOf = (key: string, cause: Cause.Cause<Halt>, until: number) =>
  Option.getOrElse(Cause.failureOption(cause), () => new Halt({ error: broken(key, Cause.squash(cause)), until }))

const EVENTS = 1_024
const TICK = Duration.toMillis("1 minute")
const TRUST = Duration.toMillis("1 second")
const SOONEST = Duration.toMillis("100 millis")
const STEP = Duration.toMillis("1 second")
const REPAIRS = 5
const REPAIR_EVERY = Duration.toMillis("1 minute")
