import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { elapsed, type Instant, instant } from "../model/Instant.js"
import { TokenStoreError } from "../model/TokenError.js"
import type { TokenStore } from "../store/TokenStore.js"
import type { TokenRecord } from "../store/TokenStoreBackend.js"

/** A store as one process sees it, and whether its leases can be believed. */
export interface Availability {
  /** The store; whatever goes wrong in it is a `TokenStoreError`. */
  readonly store: TokenStore["Type"]
  /**
   * How long, in milliseconds, the holder of the lease in `record` is still to be waited for, although that ran out:
   * while nobody could reach the store, none could be renewed and nothing could be saved. Zero while this process has
   * heard from the store all the time.
   */
  readonly grace: (record: Pick<TokenRecord, "leaseOwner" | "leaseUntil">) => Effect.Effect<number>
}

/** Watches what `given` answers. */
export const watched = (given: TokenStore["Type"]): Availability => {
  let answeredAt: Instant | undefined
  /** When the store was asked in vain, and not since. */
  let failing = false
  /** The last time without an answer: from the last one before it, if there was one, to the first one after it. */
  let gap: { readonly from: Instant | undefined; readonly to: Instant; readonly grace: number } | undefined

  const answered = (now: Instant) => {
    const isSilence = answeredAt === undefined || elapsed(answeredAt, now) > SILENCE
    if (failing) gap = { from: answeredAt, to: now, grace: GRACE }
    else if (isSilence && (gap === undefined || left(gap, now) === 0)) gap = { from: answeredAt, to: now, grace: SHORT }
    failing = false
    answeredAt = now
  }

  const ask = <A>(key: string | undefined, effect: () => Effect.Effect<A, TokenStoreError>) =>
    Effect.matchCauseEffect(Effect.suspend(effect), {
      onSuccess: (answer) =>
        Effect.map(instant, (now) => {
          answered(now)
          return answer
        }),
      onFailure: (cause) => {
        const error = TokenStoreError.of(Cause.squash(cause), key)
        const isAway = error.reason === "unreachable" || error.reason === "setup"
        if (isAway && !Cause.isInterruptedOnly(cause)) failing = true
        return error
      }
    })

  const grace = ({ leaseOwner, leaseUntil }: Pick<TokenRecord, "leaseOwner" | "leaseUntil">) =>
    Effect.map(instant, (now) => {
      if (gap === undefined || leaseOwner === undefined || leaseUntil === undefined) return 0
      // The holder of one that ran out so long before had all the time that it needs.
      const isOld = gap.from !== undefined && now.wall - leaseUntil > elapsed(gap.from, now) + GRACE
      return isOld ? 0 : left(gap, now)
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

/** For how many milliseconds more a holder may need the store, by a clock that nobody sets. */
const left = (gap: { readonly to: Instant; readonly grace: number }, now: Instant): number =>
  Math.max(0, gap.grace - Number((now.steady - gap.to.steady) / 1_000_000n))

/** Longer than a holder needs to save after an outage: a statement that hangs until its bound, a rest, and another statement. */
const GRACE = Duration.toMillis("15 seconds")
/** Longer than the rest between two tries to save: the store may have been away, unseen by a process that did not ask. */
const SHORT = Duration.toMillis("2 seconds")
const SILENCE = Duration.toMillis("5 seconds")
