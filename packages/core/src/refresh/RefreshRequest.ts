import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Instant } from "../model/Instant.js"
import type { ResolvedPolicy } from "../model/RefreshPolicy.js"
import type { TokenSourceDefect } from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { SourceError } from "../model/TokenSource.js"
import { endTurn } from "../model/Turn.js"
import type { Failure } from "../store/Failure.js"
import type { TokenStore } from "../store/TokenStore.js"
import type { TokenRecord } from "../store/TokenStoreBackend.js"
import { backOff } from "./Backoff.js"
import type { CachedToken } from "./CachedToken.js"
import { type Connection, logDefect, type PendingCommit } from "./Connection.js"
import { type Lease, makeLease } from "./Lease.js"
import { fromStoredFailure, outcomeOf } from "./Outcome.js"
import type { Saving } from "./PendingCommit.js"
import { RefreshFailure } from "./RefreshFailure.js"
import { endingOf } from "./RefreshTokenExpiry.js"
import { dueIn, withRenewalTime } from "./RenewalTime.js"
import { replacedBy } from "./Replaced.js"
import { requestTokens } from "./RequestTokens.js"
import { refusedWith } from "./SourceDigest.js"

/** Steps 5 to 9: asks the token endpoint under the lease `owner`, and writes what came of it. */
export const makeRequests = (
  store: TokenStore["Type"],
  policy: ResolvedPolicy,
  emit: (event: TokenEvent) => Effect.Effect<unknown>,
  { keepSaving, save }: Saving
) => {
  /** None where another took the lease over. */
  const request = Effect.fnUntraced(function* (
    connection: Connection,
    record: TokenRecord,
    first: Failure["by"],
    owner: string,
    askedAt: Instant
  ): Effect.fn.Return<CachedToken | undefined, RefreshFailure> {
    const { key, source } = connection
    connection.requestStarted()
    const lease = yield* makeLease(store, key, owner, policy.lease, askedAt)
    const keeping = yield* Effect.fork(Effect.interruptible(lease.keep))
    const rejected = connection.current?.rejected === true && connection.current.token.generation === record.generation
    const newer = rejected || connection.newerThan >= record.generation
    const request = { key, source, current: record.tokens, newer, timeout: policy.timeout }
    let by = first
    let refreshRefused = false
    let answer = yield* requestTokens({ ...request, by }, lease)
    const isRefused = by === "refresh" && Either.isLeft(answer) && answer.left._tag === "GrantRejected"
    // Step 7: the login, unless the row has moved on. A row that cannot be read is still under our lease.
    if (isRefused && source.login !== undefined) {
      const now = yield* Effect.orElseSucceed(store.load(key), () => Option.some(record))
      if (Option.getOrUndefined(now)?.generation === record.generation) {
        refreshRefused = true
        by = "login"
        answer = yield* requestTokens({ ...request, by }, lease)
      }
    }
    const ended = Either.isRight(answer)
      ? commit(connection, record, by, owner, answer.right, refreshRefused)
      : fail(connection, record, by, lease, answer.left, refreshRefused)
    yield* endTurn
    return yield* Effect.ensuring(ended, Fiber.interruptFork(keeping))
  })

  /** Step 6: holds what came back, before anything else is done, and saves it. */
  const commit = (
    connection: Connection,
    record: TokenRecord,
    by: Failure["by"],
    owner: string,
    tokens: TokenSet,
    refreshRefused: boolean
  ) => {
    const held: PendingCommit = { owner, generation: record.generation, tokens, dueIn: 0, late: false }
    connection.received(held)
    return Effect.ensuring(saved(connection, record, by, held, refreshRefused), keepSaving(connection))
  }

  const saved = Effect.fnUntraced(function* (
    connection: Connection,
    record: TokenRecord,
    by: Failure["by"],
    held: PendingCommit,
    refreshRefused: boolean
  ) {
    const { key } = connection
    const { tokens } = held
    const now = yield* Clock.currentTimeMillis
    const ending = endingOf(tokens, record.tokens, policy.warnings, now)
    const current: CachedToken = {
      ...(yield* withRenewalTime(policy, connection, tokens, record.generation + 1)),
      by,
      endsAt: ending?.at
    }
    const due = yield* dueIn(connection, current)
    // A logout or a login took it away.
    if (connection.pending !== held) return undefined
    // Of a refresh token that was refused there is nothing to revoke.
    const isLogin = by === "login" && !refreshRefused && !record.dead
    const replaced = replacedBy(connection.source, isLogin, record.tokens, tokens, now)
    connection.received({ ...held, dueIn: due, replaced })
    const settled = yield* Effect.either(save(connection))
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

  /** Steps 7 to 9: writes what the failure says of the row, and ends the attempt with it. */
  const fail = Effect.fnUntraced(function* (
    connection: Connection,
    record: TokenRecord,
    by: Failure["by"],
    { owner, trouble }: Lease,
    cause: SourceError | TokenSourceDefect,
    refreshRefused: boolean
  ) {
    const { key } = connection
    const defect = cause._tag === "TokenSourceDefect" ? cause : undefined
    connection.requestFailed(defect, record.failures)
    if (defect !== undefined) yield* logDefect(connection, defect.message, Cause.die(defect.cause ?? defect))
    const now = yield* Clock.currentTimeMillis
    const { dead, failure: told, final, inDoubt } = outcomeOf(by, cause, record, refreshRefused)
    const failure: Failure = { ...told, refused: yield* refusedWith(connection.source, told, record.failure) }
    const retryAfter = cause._tag === "TokenEndpointError" ? cause.retryAfter : undefined
    if (retryAfter !== undefined) yield* connection.source.traits.limits?.pause(retryAfter) ?? Effect.void
    const error = defect ?? trouble() ?? fromStoredFailure(key, failure, retryAfter)
    const retryIn = final ? 0 : yield* backOff(policy.retry, connection.failures, error, now)
    const { generation } = record
    const kept = yield* Effect.option(store.fail(key, { owner, generation, failure, inDoubt, dead, retryIn }))
    if (Option.isSome(kept)) connection.leaseOver()
    else connection.failureMissed(owner, inDoubt, dead ? { generation, failure } : undefined)
    if (Option.isSome(kept) && !kept.value) return undefined
    const retryAt = now + retryIn
    const served = record.tokens !== undefined && now < record.tokens.holdsUntil
    if (final) yield* emit(TokenEvent.ReauthorizationNeeded({ key, reason: failure.code ?? "refused" }))
    else yield* emit(TokenEvent.RefreshFailed({ key, error: failure.tag, message: error.message, retryAt, served }))
    if (inDoubt) yield* emit(TokenEvent.InDoubt({ key, presentedAt: now }))
    return yield* new RefreshFailure({ error, until: final ? Number.POSITIVE_INFINITY : retryAt })
  })

  return request
}
