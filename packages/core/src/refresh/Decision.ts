import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { ReauthorizationRequired, RefreshInDoubt, TokenEndpointError, type TokenError } from "../model/TokenError.js"
import type { TokenSource } from "../model/TokenSource.js"
import type { Failure, TokenRecord } from "../store/TokenStore.js"
import { Halt } from "./RefreshFailure.js"

/** How the tokens of a key are to be replaced. */
export interface Plan {
  readonly by: Failure["by"]
  /** Whether to take the lease although the row is dead or in doubt. */
  readonly force: boolean
  /** Whether a refresh token is presented again, its first answer lost. */
  readonly replay: boolean
}

/** What is known of a row: all of it, or from memory no more than its tokens. */
export type View = Pick<TokenRecord, "generation"> & Partial<TokenRecord>

/** Decides what to do about the tokens of `view`, which nobody has newer ones of. */
export const plan = (
  key: string,
  source: TokenSource,
  view: View | undefined,
  state: {
    readonly now: number
    /** Whether the resource server refused these tokens. */
    readonly rejected: boolean
    /** The name under which our own attempt, its outcome known, may still be in the row. */
    readonly owner: string | undefined
    /** For how many milliseconds a lease that ran out says nothing yet about its holder. */
    readonly grace: number
  }
): Either.Either<Plan, Halt> => {
  const { grace, now, owner, rejected } = state
  const tokens = view?.tokens
  const halt = (error: TokenError, until = Number.POSITIVE_INFINITY) => Either.left(new Halt({ error, until }))
  const login = (force: boolean) => Either.right<Plan>({ by: "login", force, replay: false })
  const refresh = (replay: boolean) => Either.right<Plan>({ by: "refresh", force: replay, replay })

  if (view?.dead === true) {
    const loginRefused = view.failure?.by === "login" && view.failure.tag === "GrantRejected"
    if (source.login !== undefined && !loginRefused) return login(true)
    return halt(new ReauthorizationRequired({ key, reason: "refused", code: view.failure?.code }))
  }
  // Tokens without a refresh token are still refreshed where nothing else can replace them: some servers extend them.
  const refreshable =
    source.refresh !== undefined &&
    tokens !== undefined &&
    (tokens.refreshToken !== undefined || source.login === undefined)
  // While its owner has the lease, an open intent is no doubt: the answer is on its way.
  const held = view?.leaseOwner !== undefined && view.leaseOwner !== owner && (view.leaseUntil ?? 0) > now
  if (view?.intentAt !== undefined && view.intentOwner !== owner && !held) {
    // One that was written later than now is of a clock that was set back since, and of any age.
    const inWindow =
      refreshable && view.intentAt <= now && now < view.intentAt + Duration.toMillis(source.traits.replayWindow)
    const end = tokens?.holdsUntil ?? Number.POSITIVE_INFINITY
    if (tokens !== undefined && !rejected && now < end) {
      if (inWindow) return refresh(true)
      const detail = "the answer to a refresh was lost"
      return halt(new TokenEndpointError({ key, reason: "timeout", detail }), end)
    }
    if (source.login !== undefined) return login(true)
    if (inWindow) return refresh(true)
    if (refreshable && source.traits.replay === "once") {
      if (grace === 0) return refresh(true)
      const detail = "the store was away, so another process may still save the answer to a refresh"
      return halt(new TokenEndpointError({ key, reason: "timeout", detail }), now + grace)
    }
    return halt(new RefreshInDoubt({ key, presentedAt: view.intentAt }))
  }
  if (refreshable) {
    const earliest = (tokens.obtainedAt ?? 0) + Duration.toMillis(source.traits.earliestRefresh)
    if (now >= earliest || !tokens.hasAccessToken) return refresh(false)
    const detail = "the source says that it refuses to refresh a token this young"
    return halt(new TokenEndpointError({ key, reason: "throttled", retryAfter: earliest - now, detail }), earliest)
  }
  return source.login === undefined ? halt(new ReauthorizationRequired({ key, reason: "absent" })) : login(false)
}
