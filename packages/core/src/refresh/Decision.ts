import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { ReauthorizationRequired, RefreshInDoubt, TokenEndpointError, type TokenError } from "../model/TokenError.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"
import type { Failure } from "../store/Failure.js"
import type { TokenRecord } from "../store/TokenStoreBackend.js"
import { fromStoredFailure } from "./Outcome.js"

/** What to do about the tokens of a key, by docs/protocol.md. Instants are epoch milliseconds. */
export type Decision = Data.TaggedEnum<{
  /** The row holds newer tokens than this process knows (step 3). */
  Adopt: { readonly tokens: TokenSet }
  /** The row is older than what this process has kept: the store lost a commit, so the newer tokens are put back. */
  Restore: object
  /** Another process holds the lease, at most until then (step 3). */
  Wait: { readonly until: number }
  /** The token endpoint is to be asked, under a lease that the store has still to give (steps 3 to 5). */
  Request: Plan
  /** No request brings a token before `until`; `Infinity` where a person has to act (steps 7 to 9). */
  Stop: { readonly error: TokenError; readonly until: number }
}>
export const Decision = Data.taggedEnum<Decision>()

/** How the tokens of a key are to be replaced. */
export interface Plan {
  readonly by: Failure["by"]
  /** Whether to take the lease although the row is dead or in doubt. */
  readonly force: boolean
  /** Whether a refresh token is sent again, its first answer lost (step 9). */
  readonly replay: boolean
  /** How many failures in a row the row has whose back-off is not waited for. */
  readonly early?: number | undefined
}

/** What is known of a row: all of it, or where it is a copy in memory, no more than its tokens. */
export type Row = Pick<TokenRecord, "generation"> & Partial<TokenRecord> & { readonly isCopy?: true }

/** All that a decision depends on. */
export interface Situation {
  readonly key: string
  readonly source: TokenSource
  /** `undefined` where there is none. */
  readonly row: Row | undefined
  /** Whether the store has just refused the lease of this row. It judges leases and back-offs, by its own clock. */
  readonly refused: boolean
  /** Whether this attempt has seen a row under the key: one that is gone since was removed by a logout. */
  readonly seen: boolean
  /** The tokens in the memory of this process. */
  readonly known: Known | undefined
  readonly now: number
  /** The name of an attempt of this process that the row may still hold, and that sent nothing or whose outcome is known. */
  readonly owner: string | undefined
  /** For how many milliseconds a lease that ran out says nothing yet about its holder. */
  readonly grace: number
  /** The bug of the source that ended the last attempt of this process. */
  readonly defect: TokenError | undefined
  /** Whether the source is none of those that the row says were refused. */
  readonly changed?: boolean | undefined
}

/** Tokens in memory. */
export interface Known {
  readonly generation: number
  /** `Infinity` where nobody said. */
  readonly expiresAt: number
  /** Whether the resource server refused the access token. */
  readonly rejected: boolean
}

/** Decides for one situation. The same for provider, worker and service, and without effects. */
export const decide = (situation: Situation): Decision => {
  const { defect, key, known, now, refused, row, seen, source } = situation
  if (row === undefined) {
    if (seen) return stop(new ReauthorizationRequired({ key, reason: "forgotten" }), 0)
    return source.login === undefined ? absent(key) : login(false)
  }
  if (known !== undefined && row.generation < known.generation) return Decision.Restore()
  if (row.tokens !== undefined && isNews(row, row.tokens, situation)) return Decision.Adopt({ tokens: row.tokens })
  const next = aged(situation, row, replacement(situation, row))
  if (next._tag === "Stop" || !refused) return next
  if (isHeld(situation, row)) return Decision.Wait({ until: row.leaseUntil ?? now })
  if (row.retryAt === undefined || row.retryAt <= now) return next
  if (situation.changed === true && next._tag === "Request") {
    const { by, force, replay } = next
    return Decision.Request({ by, force, replay, early: row.failures })
  }
  const isBug = row.failure?.tag === "TokenSourceDefect"
  return stop((isBug ? defect : undefined) ?? fromStoredFailure(key, row.failure), row.retryAt)
}

/** Whether a row holds tokens that are not over, and that this process has not got. */
const isNews = (row: Row, tokens: TokenSet, { known, now }: Situation): boolean => {
  if (row.isCopy) return false
  // The same tokens count only where this clock went ahead and so saw their end too early.
  const isSame = known?.generation === row.generation
  return now < tokens.holdsUntil && !(isSame && (known.rejected || now < known.expiresAt))
}

/** Whether another process holds the lease: an open intent is no doubt then, its answer is on its way. */
const isHeld = ({ now, owner }: Situation, { leaseOwner, leaseUntil = 0 }: Row): boolean =>
  leaseOwner !== undefined && leaseOwner !== owner && leaseUntil > now

/** How the tokens of `row` can be replaced, if they can. */
const replacement = (situation: Situation, row: Row): Decision => {
  const { key, owner, source } = situation
  if (row.dead === true) {
    if (source.login !== undefined) return login(true)
    const { claims, code } = row.failure ?? {}
    return stop(new ReauthorizationRequired({ key, reason: "refused", code, claims }))
  }
  const { intentAt } = row
  if (intentAt !== undefined && row.intentOwner !== owner && !isHeld(situation, row)) {
    return afterLostAnswer(situation, row, intentAt)
  }
  if (isRefreshable(situation, row)) return refresh
  return source.login === undefined ? absent(key) : login(false)
}

/** `next`, but where that asks for a newer token while the one in the row is younger than the source allows. */
const aged = ({ key, now, source }: Situation, { tokens }: Row, next: Decision): Decision => {
  if (next._tag !== "Request" || next.replay || tokens?.hasAccessToken !== true) return next
  const { obtainedAt = 0 } = tokens
  const age = Duration.toMillis(source.traits.earliestRefresh)
  const earliest = obtainedAt + age
  // One of a clock that was set back since is of any age.
  if (age === 0 || now >= earliest || now < obtainedAt - JITTER) return next
  const detail = "the source says that no token this young is replaced"
  return stop(new TokenEndpointError({ key, reason: "throttled", retryAfter: earliest - now, detail }), earliest)
}

/** Step 9: a refresh token was about to be sent at `intentAt`, and nobody knows what came of it. */
const afterLostAnswer = (situation: Situation, row: Row, intentAt: number): Decision => {
  const { grace, key, known, now, source } = situation
  const refreshable = isRefreshable(situation, row)
  // An intent that was written later than now is of a clock that was set back since, and of any age.
  const inWindow = refreshable && intentAt <= now && now < intentAt + Duration.toMillis(source.traits.replayWindow)
  const isKnown = known?.generation === row.generation
  // Tokens in memory hold by this process's own clock, also where the store's was set forward.
  const end = Math.max(row.tokens?.holdsUntil ?? 0, isKnown ? known.expiresAt : 0)
  if (row.tokens?.hasAccessToken === true && !(isKnown && known.rejected) && now < end) {
    if (inWindow) return replay
    return stop(timeout(key, "the answer to a refresh was lost"), end)
  }
  if (source.login !== undefined) return login(true)
  if (inWindow) return replay
  if (!refreshable || source.traits.replay === "never") return stop(new RefreshInDoubt({ key, presentedAt: intentAt }))
  if (grace === 0) return replay
  const detail = "the store was away, so another process may still save the answer to a refresh"
  return stop(timeout(key, detail), now + grace)
}

/** Tokens without a refresh token are still refreshed where nothing else can replace them: some servers extend them. */
const isRefreshable = ({ source }: Situation, { tokens }: Row): boolean =>
  source.refresh !== undefined &&
  tokens !== undefined &&
  (tokens.refreshToken !== undefined || source.login === undefined)

const stop = (error: TokenError, until = Number.POSITIVE_INFINITY) => Decision.Stop({ error, until })
const absent = (key: string) => stop(new ReauthorizationRequired({ key, reason: "absent" }))
const timeout = (key: string, detail: string) => new TokenEndpointError({ key, reason: "timeout", detail })
const login = (force: boolean) => Decision.Request({ by: "login", force, replay: false })
const refresh = Decision.Request({ by: "refresh", force: false, replay: false })
const replay = Decision.Request({ by: "refresh", force: true, replay: true })
// Clocks that are only adjusted differ by less.
const JITTER = 1_000
