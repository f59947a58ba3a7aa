import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { TokenStoreError } from "../model/TokenError.js"
import { TokenEvent } from "../model/TokenEvent.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenStore } from "../store/TokenStore.js"
import { type CachedToken, renumbered } from "./CachedToken.js"
import type { Connection, PendingCommit } from "./Connection.js"
import { newOwner } from "./Lease.js"
import { dueIn } from "./RenewalTime.js"

/** How tokens get from memory into the store. */
export interface Saving {
  /**
   * Tries once to save what is pending, beside all others that try; false where somebody saved newer tokens or removed
   * the row.
   */
  readonly save: (connection: Connection) => Effect.Effect<boolean, TokenStoreError>
  /** Goes on to save what is pending until that works or the provider closes: one fiber a key, in the background. */
  readonly keepSaving: (connection: Connection) => Effect.Effect<void>
  /**
   * Puts the tokens of `current` over a row of the older generation `over`, as a store gives it that lost commits: a
   * replica that was behind, a restored backup. None where the row has changed meanwhile.
   */
  readonly restore: (
    connection: Connection,
    current: CachedToken,
    over: number
  ) => Effect.Effect<CachedToken | undefined, TokenStoreError>
}

export const makeSaving = (
  store: TokenStore["Type"],
  lasts: number,
  emit: (event: TokenEvent) => Effect.Effect<unknown>,
  revoke: (connection: Connection, tokens: TokenSet) => Effect.Effect<void>,
  later: (effect: Effect.Effect<void>) => Effect.Effect<void>
): Saving => {
  /**
   * Where another took the lease over and released it without newer tokens, a new lease is taken, since nobody else
   * has what a spent refresh token brought.
   */
  const commit = Effect.fnUntraced(function* (connection: Connection, pending: PendingCommit) {
    const { key } = connection
    if (yield* store.commit(key, pending)) return true
    const owner = yield* newOwner
    const request = { owner, known: pending.generation, lasts, presents: false, force: true }
    const record = Option.getOrUndefined(yield* store.lease(key, request))
    if (record?.leaseOwner === owner) return yield* store.commit(key, { ...pending, owner })
    if (record?.generation === pending.generation) {
      return yield* new TokenStoreError({ reason: "unreachable", key, detail: "another process has the lease" })
    }
    if (record === undefined) yield* revoke(connection, pending.tokens)
    else if (record.generation < pending.generation) {
      const known = { generation: pending.generation + 1, tokens: pending.tokens, dueIn: pending.dueIn }
      const generation = yield* putBack(connection, known, record.generation)
      if (generation !== undefined) connection.renumbered(pending.tokens, generation)
      return generation !== undefined
    }
    return false
  })

  const putBack = Effect.fnUntraced(function* (connection: Connection, known: Known, over: number) {
    const { key } = connection
    const generation = Option.getOrUndefined(yield* store.restore(key, { ...known, over }))
    if (generation === undefined) return undefined
    const lost = `The store had generation ${over} of "${key}" after it had taken ${known.generation}`
    yield* Effect.logWarning(`${lost}: it lost commits. The newer tokens are put back as ${generation}`)
    yield* emit(TokenEvent.Restored({ key, generation, over }))
    return generation
  })

  const restore = Effect.fnUntraced(function* (connection: Connection, current: CachedToken, over: number) {
    const { tokens, token } = current
    const known = { generation: token.generation, tokens, dueIn: yield* dueIn(connection, current) }
    const generation = yield* putBack(connection, known, over)
    return generation === undefined ? undefined : renumbered(current, generation)
  })

  const attempt = Effect.fnUntraced(function* (connection: Connection, pending: PendingCommit) {
    const saved = yield* Effect.either(commit(connection, pending))
    if (connection.pending !== pending) return yield* saved
    if (Either.isLeft(saved)) {
      connection.saveFailed(pending)
      return yield* saved.left
    }
    connection.saved()
    // Only where the store says that it took them: else nobody knows which tokens are those in use.
    if (saved.right && pending.replaced !== undefined) yield* later(revoke(connection, pending.replaced))
    if (saved.right && pending.late) {
      yield* emit(TokenEvent.Saved({ key: connection.key, generation: pending.generation + 1 }))
    }
    // Another is newer, or they were saved before and the answer was lost.
    if (!saved.right) connection.overtaken(pending.tokens)
    return saved.right
  })

  const save = (connection: Connection): Effect.Effect<boolean, TokenStoreError> =>
    Effect.suspend(() => {
      if (connection.pending === undefined) return Effect.succeed(true)
      if (connection.saving !== undefined) return Deferred.await(connection.saving)
      const saving = Deferred.unsafeMake<boolean, TokenStoreError>(FiberId.none)
      connection.saveStarted(saving)
      return Effect.flatMap(Effect.exit(attempt(connection, connection.pending)), (exit) => {
        connection.saveEnded()
        return Effect.zipRight(Deferred.done(saving, exit), exit)
      })
    }).pipe(Effect.uninterruptible)

  const saver = Effect.fnUntraced(function* (connection: Connection) {
    for (let rest = SHORTEST; connection.pending !== undefined; rest = Math.min(rest * 2, LONGEST)) {
      yield* connection.waitForChange(rest * (yield* Random.nextRange(0.5, 1)))
      yield* Effect.ignore(save(connection))
    }
  })

  const keepSaving = (connection: Connection) =>
    Effect.suspend(() => {
      if (connection.hasSaver || connection.pending === undefined) return Effect.void
      connection.saverStarted()
      const done = Effect.sync(() => connection.saverEnded())
      return Effect.asVoid(
        Effect.forkDaemon(Effect.interruptible(Effect.ensuring(Effect.exit(saver(connection)), done)))
      )
    })

  return { save, keepSaving, restore }
}

/** Tokens that the store once took as `generation`. */
interface Known {
  readonly generation: number
  readonly tokens: TokenSet
  readonly dueIn: number | undefined
}

const SHORTEST = Duration.toMillis("100 millis")
const LONGEST = Duration.toMillis("1 second")
