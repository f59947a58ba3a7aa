import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AccessToken } from "../model/AccessToken.js"
import { ProviderClosed, ReauthorizationRequired, type TokenError } from "../model/TokenError.js"
import type { TokenSource } from "../model/TokenSource.js"
import { Connection } from "../refresh/Connection.js"
import { RefreshFailure } from "../refresh/RefreshFailure.js"
import type { SingleFlight } from "./SingleFlight.js"
import { Waiters } from "./Waiters.js"

/**
 * What the cache of one process knows of one key, besides what the protocol does, from one login or logout to the
 * next: then another entry takes its place, and what is under way here changes nothing any more.
 */
export class CacheEntry extends Connection {
  /** When the timer looks at it next. Written by `DueQueue` alone. */
  dueAt = Number.POSITIVE_INFINITY
  #usedAt: number
  #flight: SingleFlight<AccessToken, TokenError> | undefined
  #lastFailure: LastFailure | undefined
  #over: Over | undefined
  #removals = 0
  #permits: Permits = { left: PERMITS, at: 0 }
  #listeners: Set<Listener> | undefined
  #changes: Waiters | undefined
  readonly #isClosed: () => boolean

  /** An entry that knows nothing yet. Its waits fail once the cache `isClosed`. */
  constructor(key: string, source: TokenSource, scheduleState: unknown, usedAt: number, isClosed: () => boolean) {
    super(key, source, scheduleState)
    this.#usedAt = usedAt
    this.#isClosed = isClosed
  }

  /** When a caller last used it, in epoch milliseconds. */
  get usedAt(): number {
    return this.#usedAt
  }

  /** The refresh under way. */
  get flight(): SingleFlight<AccessToken, TokenError> | undefined {
    return this.#flight
  }

  /** Why there is no newer token, and until when it is pointless to try. */
  get lastFailure(): LastFailure | undefined {
    return this.#lastFailure
  }

  /** Why another entry has taken its place: it was logged out, or it is for the row to say what holds. */
  get over(): Over | undefined {
    return this.#over
  }

  /** How often the row was removed, as far as hints said so. */
  get removals(): number {
    return this.#removals
  }

  /** Called with each newer token, and with none at the end. */
  get listeners(): ReadonlySet<Listener> {
    return this.#listeners ?? NONE
  }

  /** Whether anything would be lost with it: a refresh, tokens on their way into the store, somebody who waits. */
  get isBusy(): boolean {
    const waits = this.#changes?.isEmpty === false
    return this.#flight !== undefined || this.pending !== undefined || this.#listeners !== undefined || waits
  }

  used(now: number): void {
    this.#usedAt = now
  }

  flightStarted(flight: SingleFlight<AccessToken, TokenError>): void {
    this.#flight = flight
  }

  flightEnded(): void {
    this.#flight = undefined
  }

  /** An attempt brought no token. */
  failed({ error, until }: RefreshFailure, at: number): void {
    this.#lastFailure = { error, until, at }
  }

  override recovered(): void {
    super.recovered()
    this.#lastFailure = undefined
  }

  /** Another entry takes its place. That one keeps no more than its listeners, and how often a refused token may cause a refresh. */
  replacedBy(next: CacheEntry, over: Over): void {
    next.#permits = this.#permits
    next.#listeners = this.#listeners
    this.#over = over
    this.#flight?.end(Exit.fail(new ReauthorizationRequired({ key: this.key, reason: "forgotten" })))
    this.abandoned()
  }

  /** A hint says that the row was removed. */
  rowRemoved(): void {
    this.#removals++
  }

  listen(listener: Listener): void {
    this.#listeners = (this.#listeners ?? new Set()).add(listener)
  }

  unlisten(listener: Listener): void {
    this.#listeners?.delete(listener)
    if (this.#listeners?.size === 0) this.#listeners = undefined
  }

  /** Whether one more refused token may cause a refresh: five in a row, then one a minute. */
  takeRefreshPermit(now: number): boolean {
    const { left } = this.#permits
    const at = Math.min(this.#permits.at, now) // counted anew from now where the clock went back
    const refilled = Math.floor((now - at) / PERMIT_EVERY)
    const there = Math.min(PERMITS, left + refilled)
    if (there <= 0) {
      this.#permits = { left, at }
      return false
    }
    this.#permits = { left: there - 1, at: there === PERMITS ? now : at + refilled * PERMIT_EVERY }
    return true
  }

  override waitForChange(millis: number): Effect.Effect<void, RefreshFailure> {
    const { key } = this
    return this.#isClosed() ? new RefreshFailure({ error: new ProviderClosed({ key }), until: 0 }) : this.change(millis)
  }

  /** Waits for a `changed`, at most for `millis`. */
  change(millis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#changes ??= new Waiters()
      return Effect.raceFirst(this.#changes.wait, Effect.sleep(Math.min(millis, LONGEST)))
    })
  }

  /** Wakes all who wait for a hint that the row changed, or that the cache closes. */
  changed(): void {
    this.#changes?.wake()
  }
}

/** Called with each newer token, and with none at the end. */
export type Listener = (token: AccessToken | undefined) => void

/** How an entry ended. */
export type Over = "forgotten" | "moved"

interface LastFailure {
  readonly error: TokenError
  readonly until: number
  /** When that came out. */
  readonly at: number
}

/** How many more refreshes refused tokens may cause, as of `at`. */
interface Permits {
  readonly left: number
  readonly at: number
}

/** Whether an attempt is pointless yet. A clock that went back since the last one does not make it so for longer. */
export const isBackingOff = (lastFailure: LastFailure | undefined, now: number): lastFailure is LastFailure =>
  lastFailure !== undefined && lastFailure.at <= now && now < lastFailure.until

const NONE: ReadonlySet<Listener> = new Set()
const LONGEST = Duration.toMillis("1 minute")
const PERMITS = 5
const PERMIT_EVERY = Duration.toMillis("1 minute")
