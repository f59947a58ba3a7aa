// Longer than 200 lines: the state of a key has one owner, and all that changes it stands here.

import type * as Cause from "effect/Cause"
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { instant } from "../model/Instant.js"
import type { TokenSourceDefect, TokenStoreError } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"
import type { Failure } from "../store/Failure.js"
import { type CachedToken, renumbered, setBack } from "./CachedToken.js"
import type { Row } from "./Decision.js"
import type { RefreshFailure } from "./RefreshFailure.js"

/** What one process knows of one key. Each change has a name here; nothing else changes it. */
export abstract class Connection {
  #current: CachedToken | undefined
  #scheduleState: unknown
  #owner: string | undefined
  #refused: Refused | undefined
  #pending: PendingCommit | undefined
  #saving: Deferred.Deferred<boolean, TokenStoreError> | undefined
  #hasSaver = false
  #defect: TokenSourceDefect | undefined
  #loggedAt: bigint | undefined
  #failures = 0
  #newerThan = -1

  constructor(
    readonly key: string,
    readonly source: TokenSource,
    scheduleState: unknown
  ) {
    this.#scheduleState = scheduleState
  }

  /** Waits for a hint that the row changed, at most for `millis`; fails where the provider closes. */
  abstract waitForChange(millis: number): Effect.Effect<void, RefreshFailure>

  /** The tokens in use. */
  get current(): CachedToken | undefined {
    return this.#current
  }

  /** State of the schedule that spaces renewals. */
  get scheduleState(): unknown {
    return this.#scheduleState
  }

  /**
   * Lease owner of our last attempt, where the store may still hold its lease or intent although it sent nothing, or
   * although its outcome is known here.
   */
  get owner(): string | undefined {
    return this.#owner
  }

  /** How the refresh token of `generation` was refused, where the store could not note it. */
  refusalOf(generation: number): Failure | undefined {
    return this.#refused?.generation === generation ? this.#refused.failure : undefined
  }

  /** Tokens that came back and that the store has not taken yet. */
  get pending(): PendingCommit | undefined {
    return this.#pending
  }

  /** The try to save them that is under way. */
  get saving(): Deferred.Deferred<boolean, TokenStoreError> | undefined {
    return this.#saving
  }

  /** Whether a fiber tries until they are saved. */
  get hasSaver(): boolean {
    return this.#hasSaver
  }

  /** The bug of the source that ended the last attempt. */
  get defect(): TokenSourceDefect | undefined {
    return this.#defect
  }

  /** How many attempts of this process failed in a row, whether or not the store could note it. */
  get failures(): number {
    return this.#failures
  }

  /** Callers want a newer generation than this one. */
  get newerThan(): number {
    return this.#newerThan
  }

  // The tokens in use.

  adopted(tokens: CachedToken): void {
    this.#current = tokens
  }

  /** The resource server refused the access token. */
  rejected(tokens: CachedToken): void {
    this.#current = { ...tokens, rejected: true }
  }

  /** They ended, whatever the clock says later. */
  expired(tokens: CachedToken): void {
    this.#current = { ...tokens, expiresAt: Number.NEGATIVE_INFINITY }
  }

  /** The wall clock went back by `-step` milliseconds since they came. */
  clockWentBack(tokens: CachedToken, step: number): CachedToken {
    this.#current = setBack(tokens, step)
    return this.#current
  }

  /** The store, which had lost them, took `from` again, as the generation of `to`. */
  restored(from: CachedToken, to: CachedToken): void {
    if (this.#newerThan === from.token.generation) this.#newerThan = to.token.generation
    this.#current = to
  }

  cleared(): void {
    this.#current = undefined
  }

  /** A caller wants a newer generation than `generation`. */
  wanted(generation: number): void {
    this.#newerThan = Math.max(this.#newerThan, generation)
  }

  /** The schedule that spaces renewals took a step. */
  scheduled(state: unknown): void {
    this.#scheduleState = state
  }

  // An attempt.

  /** Asks the store for the lease. Nothing is sent yet, so the next attempt may go on under the same name. */
  leaseRequested(owner: string): void {
    this.#owner = owner
  }

  /** The lease is another's, or the store has noted all that is known. */
  leaseOver(): void {
    this.#owner = undefined
  }

  /** Sends: what is presented under the owner's name is in doubt until its outcome is known. */
  requestStarted(): void {
    this.#owner = undefined
  }

  /** The request brought no tokens, after `failures` in a row that the row counts. */
  requestFailed(defect: TokenSourceDefect | undefined, failures: number): void {
    this.#defect = defect
    this.#failures = Math.max(failures, this.#failures) + 1
  }

  /** The store missed how the request under `owner` failed: it would take a known outcome for a doubtful one from anyone else. */
  failureMissed(owner: string, inDoubt: boolean, refused: Refused | undefined): void {
    this.#owner = inDoubt ? undefined : owner
    this.#refused = refused ?? this.#refused
  }

  /** The store failed before anything was asked for. */
  storeFailed(): void {
    this.#failures++
  }

  /** There are tokens again. */
  recovered(): void {
    this.#failures = 0
  }

  // Tokens on their way into the store.

  /** Step 6: the first thing that happens to tokens that came back. */
  received(pending: PendingCommit): void {
    this.#pending = pending
  }

  saveStarted(saving: Deferred.Deferred<boolean, TokenStoreError>): void {
    this.#saving = saving
  }

  saveEnded(): void {
    this.#saving = undefined
  }

  /** The store did not take `pending` this time. */
  saveFailed(pending: PendingCommit): void {
    this.#pending = { ...pending, late: true }
  }

  /** The store has answered for good: it took the pending tokens, or has newer ones, or no row. */
  saved(): void {
    this.#pending = undefined
    this.#owner = undefined
  }

  /** The store took `tokens` under another number. */
  renumbered(tokens: TokenSet, generation: number): void {
    if (this.#current?.tokens === tokens) this.#current = renumbered(this.#current, generation)
  }

  /** The row is not of `tokens`: it says what holds. */
  overtaken(tokens: TokenSet): void {
    if (this.#current?.tokens === tokens) this.#current = undefined
  }

  saverStarted(): void {
    this.#hasSaver = true
  }

  saverEnded(): void {
    this.#hasSaver = false
  }

  /** A logout or a login took its place: what was under way changes nothing any more. */
  abandoned(): void {
    this.#pending = undefined
    this.#owner = undefined
    this.#current = undefined
  }

  /** Whether a defect may be logged at `steady`: one a minute. */
  mayLog(steady: bigint): boolean {
    if (this.#loggedAt !== undefined && steady - this.#loggedAt < A_MINUTE) return false
    this.#loggedAt = steady
    return true
  }
}

/** A refresh token that the server refused, by its generation. */
export interface Refused {
  readonly generation: number
  readonly failure: Failure
}

/** Tokens to commit over `generation`. */
export interface PendingCommit {
  readonly owner: string
  readonly generation: number
  readonly tokens: TokenSet
  readonly dueIn: number | undefined
  /** Whether the store failed to take them before. */
  readonly late: boolean
  /** What is revoked once the store has taken them. */
  readonly replaced?: TokenSet | undefined
}

/** Whether a row is of an older generation than what this process has kept. */
export const isOlder = (row: Row, { current }: Connection): boolean =>
  current !== undefined && row.generation < current.token.generation

/** Logs what nobody foresaw, with its cause, at most once a minute for each key. */
export const logDefect = Effect.fnUntraced(function* (
  connection: Connection,
  message: string,
  cause: Cause.Cause<unknown>
) {
  const { steady } = yield* instant
  if (connection.mayLog(steady)) yield* Effect.logError(message, cause)
})

const A_MINUTE = 60_000_000_000n
