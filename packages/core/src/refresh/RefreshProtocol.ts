// refresh/: The refresh protocol, docs/protocol.md: one request for one key among all processes.
// May import store/ and model/.
// Must not know of OAuth, HTTP, timers, callers.
// Longer than 200 lines: the loop of the protocol, in one closure over what its steps share.

import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { instant } from "../model/Instant.js"
import type { ResolvedPolicy } from "../model/RefreshPolicy.js"
import { TokenEndpointError, type TokenError, TokenStoreError } from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import { within } from "../model/Within.js"
import type { Failure } from "../store/Failure.js"
import { backOff } from "./Backoff.js"
import type { CachedToken } from "./CachedToken.js"
import type { ConcurrencyLimit } from "./ConcurrencyLimit.js"
import type { Connection } from "./Connection.js"
import { type Decision, decide, type Plan, type Row } from "./Decision.js"
import { freshness } from "./Freshness.js"
import { newOwner } from "./Lease.js"
import { makeSaving, type Saving } from "./PendingCommit.js"
import { RefreshFailure } from "./RefreshFailure.js"
import { makeRequests } from "./RefreshRequest.js"
import { rowWithRenewalTime } from "./RenewalTime.js"
import { isChanged } from "./SourceDigest.js"
import { inTurn } from "./SourceTurn.js"
import type { Availability } from "./StoreAvailability.js"

/** The one path to a token endpoint. Provider, worker and service all go through it. */
export interface RefreshProtocol extends Pick<Saving, "save" | "restore"> {
  /**
   * Brings tokens newer than `connection.current`: adopts what others fetched, else asks once, under the lease. Run it in a
   * fiber of its own, so that a caller that stops waiting stops neither the request nor the save.
   */
  readonly attempt: (connection: Connection) => Effect.Effect<CachedToken, RefreshFailure>
  /** Revokes tokens that are no longer wanted, where the source can; best effort, bounded in time. */
  readonly revoke: (connection: Connection, tokens: TokenSet) => Effect.Effect<void>
}

/** Builds the protocol for all keys of one process. */
export const makeProtocol = (
  { grace, store }: Availability,
  limit: ConcurrencyLimit,
  policy: ResolvedPolicy,
  emit: (event: TokenEvent) => Effect.Effect<unknown>,
  /** Does something that nobody waits for but the end of the process. */
  later: (effect: Effect.Effect<void>) => Effect.Effect<void>
): RefreshProtocol => {
  const lasts = Duration.toMillis(policy.lease)

  /** Ends the attempt where the store fails, to be made again after a back-off of this process's own. */
  const orFail = <A>(
    connection: Connection,
    effect: Effect.Effect<A, TokenStoreError>
  ): Effect.Effect<A, RefreshFailure> =>
    Effect.catchAll(
      effect,
      Effect.fnUntraced(function* (error) {
        const now = yield* Clock.currentTimeMillis
        connection.storeFailed()
        return yield* new RefreshFailure({
          error,
          until: now + (yield* backOff(policy.retry, connection.failures, error, now))
        })
      })
    )

  const load = (connection: Connection): Effect.Effect<Row | undefined, RefreshFailure> =>
    Effect.map(orFail(connection, limit.run(store.load(connection.key))), Option.getOrUndefined)

  const revoke = (connection: Connection, tokens: TokenSet) =>
    Effect.suspend(() => connection.source.revoke?.(tokens) ?? Effect.void).pipe(
      within(policy.timeout, () => undefined),
      Effect.catchAllCause(() => Effect.void)
    )

  const saving = makeSaving(store, lasts, emit, revoke, later)
  const request = makeRequests(store, policy, emit, saving)

  const decision = Effect.fnUntraced(function* (
    connection: Connection,
    row: Row | undefined,
    seen: boolean,
    refused: boolean,
    changed: boolean
  ) {
    const { current, defect, key, owner, source } = connection
    const known = current && { ...current, generation: current.token.generation }
    const left = row === undefined ? 0 : yield* grace({ leaseOwner: undefined, leaseUntil: undefined, ...row })
    return decide({
      key,
      source,
      row,
      seen,
      refused,
      known,
      now: yield* Clock.currentTimeMillis,
      owner,
      grace: left,
      defect,
      changed
    })
  })

  /** Decides, does it, and decides again with the row as it is then, until there are tokens or none can be had. */
  const attempt = Effect.fn("RefreshProtocol.attempt")(function* (connection: Connection) {
    const pause = yield* makePause(connection)
    if (connection.pending !== undefined) yield* orFail(connection, saving.save(connection))
    let start = connection.current
    let row = start === undefined ? yield* load(connection) : memory(start)
    let seen = row !== undefined
    let refused = false
    let changed = false
    for (let round = 0; ; round++) {
      const { current } = connection
      // Newer tokens were put, or adopted from a hint, meanwhile.
      if (
        current !== undefined &&
        current !== start &&
        freshness(current, yield* Clock.currentTimeMillis) !== "expired"
      ) {
        return current
      }
      const next: Decision = yield* decision(connection, row, seen, refused, changed)
      switch (next._tag) {
        case "Adopt":
          return yield* adopt(connection, next.tokens, row)
        case "Restore": {
          const restored = yield* restore(connection, row, round)
          if (restored !== undefined) start = restored
          row = restored === undefined ? yield* load(connection) : memory(restored)
          refused = false
          break
        }
        case "Wait":
          yield* pause(next.until)
          row = yield* load(connection)
          refused = false
          break
        case "Request": {
          // A row that changed is asked for at once; one whose lease is neither given nor held, now and then.
          if (refused && round > FREE_ROUNDS) {
            yield* pause(undefined)
            row = yield* load(connection)
            refused = false
            break
          }
          const asked: Asked = yield* inTurn(connection, ask(connection, row, next))
          if (asked.current !== undefined) return asked.current
          row = asked.row
          refused = true
          seen = true
          // At most once in an attempt.
          changed = next.early === undefined && (yield* isChanged(connection.source, row?.failure))
          break
        }
        case "Stop":
          return yield* new RefreshFailure(next)
      }
    }
  })

  const adopt = Effect.fnUntraced(function* (connection: Connection, tokens: TokenSet, row: Row | undefined) {
    const generation = row?.generation ?? 0
    const current = yield* rowWithRenewalTime(policy, connection, tokens, { ...row, generation })
    yield* emit(TokenEvent.Adopted({ key: connection.key, generation, expiresAt: tokens.expiresAt }))
    return current
  })

  /** Puts the tokens in memory over an older row, whose refresh token is spent. None where the row has changed meanwhile. */
  const restore = (
    connection: Connection,
    row: Row | undefined,
    round: number
  ): Effect.Effect<CachedToken | undefined, RefreshFailure> =>
    Effect.gen(function* () {
      const { current, key } = connection
      if (current === undefined || row === undefined) return undefined
      const restored = yield* orFail(connection, saving.restore(connection, current, row.generation))
      if (restored !== undefined) connection.restored(current, restored)
      if (restored !== undefined || round < FREE_ROUNDS) return restored
      const detail = "it gives an older generation than it took"
      return yield* orFail(connection, new TokenStoreError({ reason: "unreachable", key, detail }))
    })

  /** Waits for a hint that the row changed, or `until` then, ever longer, and never beyond the policy's `wait` in all. */
  const makePause = (connection: Connection) =>
    Effect.map(instant, (began) => {
      let poll = FIRST_POLL
      return Effect.fnUntraced(function* (until: number | undefined) {
        const { steady, wall } = yield* instant
        const left = Duration.toMillis(policy.wait) - Number((steady - began.steady) / 1_000_000n)
        if (left <= 0) {
          const { key } = connection
          const error: TokenError =
            until === undefined
              ? new TokenStoreError({ reason: "unreachable", key, detail: "it neither gives nor refuses the lease" })
              : new TokenEndpointError({ key, reason: "timeout", detail: "another process kept the lease" })
          return yield* new RefreshFailure({ error, until: wall + STORE_RETRY })
        }
        const jittered = poll * (yield* Random.nextRange(0.5, 1))
        yield* connection.waitForChange(
          Math.max(1, Math.min(jittered, (until ?? Number.POSITIVE_INFINITY) - wall, left))
        )
        poll = Math.min(poll * 2, LAST_POLL)
      })
    })

  /** Steps 3 to 9: takes the lease and, where it is given, asks the token endpoint; gives the row where that brought no tokens. */
  const ask = Effect.fnUntraced(function* (connection: Connection, row: Row | undefined, plan: Plan) {
    const { by, early, force, replay } = plan
    const { key } = connection
    const owner: string = connection.owner ?? (yield* newOwner)
    connection.leaseRequested(owner)
    const known = row?.tokens === undefined ? undefined : row.generation
    let askedAt = yield* instant
    const lease = Effect.flatMap(instant, (now) => {
      askedAt = now
      return store.lease(key, { owner, known, lasts, presents: by === "refresh", force, early })
    })
    const record = Option.getOrUndefined(yield* orFail(connection, limit.run(lease)))
    const asked: Asked = { row: record, current: undefined }
    if (record === undefined) return asked
    if (record.leaseOwner !== owner) {
      connection.leaseOver()
      return asked
    }
    const { generation } = record
    const refused = connection.refusalOf(generation)
    if ((record.dead || refused !== undefined) && by === "refresh") {
      // Refused meanwhile, as another process found out or as the store could not note: it is not presented again.
      const failure: Failure = refused ?? record.failure ?? { by, tag: "GrantRejected" }
      yield* orFail(connection, store.fail(key, { owner, generation, failure, inDoubt: false, dead: true, retryIn: 0 }))
      connection.leaseOver()
      return { ...asked, row: yield* load(connection) }
    }
    if (replay) yield* emit(TokenEvent.Replayed({ key }))
    // From here on an interruption ends the request, and nothing else: what it came to is noted or saved all the same.
    const current = yield* Effect.uninterruptible(request(connection, record, by, owner, askedAt))
    return { current, row: current === undefined ? yield* load(connection) : record } satisfies Asked
  })

  return { attempt, save: saving.save, restore: saving.restore, revoke }
}

const memory = ({ token, tokens }: CachedToken): Row => ({ generation: token.generation, tokens, isCopy: true })

/** What came of an attempt to ask: tokens, or else the row as it is now. */
interface Asked {
  readonly current: CachedToken | undefined
  readonly row: Row | undefined
}

const STORE_RETRY = 1_000
const FIRST_POLL = 50
const LAST_POLL = 1_000
const FREE_ROUNDS = 3
