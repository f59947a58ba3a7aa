import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { elapsed, type Instant, instant } from "../model/Instant.js"
import { TokenEndpointError, type TokenStoreError } from "../model/TokenError.js"
import type { TokenStore } from "../store/TokenStore.js"

/** A lease that was given, as its holder sees it. */
export interface Lease {
  readonly owner: string
  /**
   * Succeeds while the lease is ours by the steady clock and by the wall clock, so that a request may be sent. Asks the
   * store where too little is left of it.
   */
  readonly fence: Effect.Effect<void, TokenEndpointError>
  /** Fails once another has the lease, as long as `fence` never succeeded. */
  readonly lost: Effect.Effect<never, TokenEndpointError>
  /** Renews the lease until it is lost. */
  readonly keep: Effect.Effect<void>
  /** Why the store let nothing be sent, where it was that. */
  readonly trouble: () => TokenStoreError | TokenEndpointError | undefined
}

/** A name for one attempt. */
export const newOwner = Effect.map(
  Effect.all([Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)]),
  (parts) => parts.map((part) => part.toString(36)).join("")
)

/** The lease that `owner` was given by an answer that was asked for at `askedAt`. */
export const makeLease = (
  store: TokenStore["Type"],
  key: string,
  owner: string,
  length: Duration.Duration,
  askedAt: Instant
): Effect.Effect<Lease> =>
  Effect.map(Deferred.make<never, TokenEndpointError>(), (lost): Lease => {
    const lasts = Duration.toMillis(length)
    const third = lasts / 3
    let since = askedAt
    let held = true
    let sent = false
    let trouble: TokenStoreError | TokenEndpointError | undefined

    /** Asks the store to make it last from now on; false where another has it. */
    const renew = Effect.flatMap(instant, (now) =>
      Effect.map(store.renew(key, owner, lasts), (renewed) => {
        if (renewed) since = now
        held = renewed
        return renewed
      })
    )

    const refuse = (detail: string, why?: TokenStoreError) => {
      const error = sent
        ? new TokenEndpointError({ reason: "disconnected", detail: `no more was sent: ${detail}` })
        : new TokenEndpointError({ reason: "unreachable", detail: `nothing was sent: ${detail}` })
      trouble ??= why ?? error
      return error
    }

    const look = (tries: number): Effect.Effect<void, TokenEndpointError> =>
      Effect.flatMap(instant, (now) => {
        if (!held) return refuse(TAKEN)
        const left = lasts - elapsed(since, now)
        if (left >= third || (tries === MOST_RENEWALS && left >= lasts / 10)) {
          sent = true
          return Effect.void
        }
        if (tries === MOST_RENEWALS) return refuse("the store answers too slowly for the lease")
        return Effect.matchEffect(renew, {
          onFailure: (error) => refuse("the lease could not be renewed", error),
          onSuccess: () => look(tries + 1)
        })
      })

    const keep = Effect.gen(function* () {
      while (held) {
        // Each third of its length; where the store is slow or away, sooner, but not all the time.
        yield* Effect.sleep(Math.max(third - elapsed(since, yield* instant), lasts / 10))
        yield* Effect.ignore(renew)
      }
      if (!sent) yield* Deferred.fail(lost, refuse(TAKEN))
    })

    return { owner, fence: look(0), lost: Deferred.await(lost), keep, trouble: () => trouble }
  })

const MOST_RENEWALS = 2
const TAKEN = "another process has the lease"
