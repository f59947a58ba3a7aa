import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TokenStoreError } from "../model/TokenError.js"
import type { TokenRecord, TokenStore } from "../store/TokenStore.js"

/** A store as one process sees it, and whether its leases can be believed. */
export interface Availability {
  /** The store; whatever goes wrong in it is a `TokenStoreError`. */
  readonly store: TokenStore["Type"]
  /**
   * How long, in milliseconds, the holder of the lease in `record` is still to be waited for, although that ran out:
   * while nobody could reach the store, none could be renewed and nothing could be saved. Zero without an outage.
   */
  readonly grace: (record: Pick<TokenRecord, "leaseOwner" | "leaseUntil">) => Effect.Effect<number>
}

/** Watches what `given` answers. */
export const watched = (given: TokenStore["Type"]): Availability => {
  let answeredAt: bigint | undefined
  /** The last outage: from the last answer before it, if there was one, to the first one after it, if that came. */
  let outage: { readonly from: bigint | undefined; readonly to: bigint | undefined } | undefined

  const ask = <A>(key: string | undefined, effect: () => Effect.Effect<A, TokenStoreError>) =>
    Effect.matchCauseEffect(Effect.suspend(effect), {
      onSuccess: (answer) =>
        Effect.map(Effect.clock, (clock) => {
          const now = clock.unsafeCurrentTimeNanos()
          answeredAt = now
          if (outage !== undefined && outage.to === undefined) outage = { ...outage, to: now }
          return answer
        }),
      onFailure: (cause) => {
        const error = TokenStoreError.of(Cause.squash(cause), key)
        if (
          (error.reason === "unreachable" || error.reason === "setup") &&
          !Cause.isInterruptedOnly(cause) &&
          (outage === undefined || outage.to !== undefined)
        ) {
          outage = { from: answeredAt, to: undefined }
        }
        return error
      }
    })

  const grace = Effect.fnUntraced(function* ({
    leaseOwner,
    leaseUntil
  }: Pick<TokenRecord, "leaseOwner" | "leaseUntil">) {
    if (outage?.to === undefined || leaseOwner === undefined || leaseUntil === undefined) return 0
    const clock = yield* Effect.clock
    const now = clock.unsafeCurrentTimeNanos()
    const since = (then: bigint) => Number((now - then) / 1_000_000n)
    const endedFor = clock.unsafeCurrentTimeMillis() - leaseUntil
    // The holder of one that ran out so long before the outage had all the time that it needs.
    if (outage.from !== undefined && endedFor > since(outage.from) + GRACE) return 0
    return Math.max(0, GRACE - since(outage.to))
  })

  return {
    grace,
    store: {
      load: (key) => ask(key, () => given.load(key)),
      put: (key, tokens, dueIn) => ask(key, () => given.put(key, tokens, dueIn)),
      restore: (key, request) => ask(key, () => given.restore(key, request)),
      lease: (key, request) => ask(key, () => given.lease(key, request)),
      renew: (key, owner, lasts) => ask(key, () => given.renew(key, owner, lasts)),
      commit: (key, result) => ask(key, () => given.commit(key, result)),
      fail: (key, result) => ask(key, () => given.fail(key, result)),
      remove: (key) => ask(key, () => given.remove(key)),
      due: (claim) => ask(undefined, () => given.due(claim)),
      firstDue: ask(undefined, () => given.firstDue),
      page: (request) => ask(undefined, () => given.page(request)),
      changes: given.changes
    }
  }
}

/** Longer than a holder needs to save after an outage: a statement that hangs until its bound, a rest, and another statement. */
const GRACE = Duration.toMillis("15 seconds")
