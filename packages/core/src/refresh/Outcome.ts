import * as Schema from "effect/Schema"
import {
  ClientRejected,
  ReauthorizationRequired,
  TokenEndpointError,
  type TokenError,
  TokenSourceDefect
} from "../model/TokenError.js"
import type { SourceError } from "../model/TokenSource.js"
import type { Failure } from "../store/Failure.js"
import type { TokenRecord } from "../store/TokenStoreBackend.js"

/** What a row says of a request that brought no tokens (docs/protocol.md, steps 7 to 9). */
export interface FailedRequest {
  /** What is kept of the error. */
  readonly failure: Failure
  /** Whether a refresh token may have been used up although no answer said so (step 9). */
  readonly inDoubt: boolean
  /** Whether the row is dead: its refresh token was refused, so it is not sent again (step 7). */
  readonly dead: boolean
  /** Whether nothing but new tokens, from a person, helps. */
  readonly final: boolean
}

/** What `error` of a request `by` this grant comes to, with the row as it was under the lease. */
export const outcomeOf = (
  by: Failure["by"],
  error: SourceError | TokenSourceDefect,
  row: Pick<TokenRecord, "dead">,
  /** Whether the refresh token was refused before the login was tried. */
  refreshRefused: boolean
): FailedRequest => {
  const final = error._tag === "GrantRejected"
  return {
    failure: toStoredFailure(by, error),
    inDoubt: isInDoubt(by, error),
    dead: final || refreshRefused || row.dead,
    final
  }
}

/** Whether a refresh token may have been used up although no answer said so. */
export const isInDoubt = (by: Failure["by"], error: SourceError | TokenSourceDefect): boolean =>
  by === "refresh" && (error._tag === "TokenSourceDefect" || (error._tag === "TokenEndpointError" && error.isInDoubt))

const toStoredFailure = (by: Failure["by"], error: SourceError | TokenSourceDefect): Failure => ({
  by,
  tag: error._tag,
  reason: error._tag === "TokenEndpointError" ? error.reason : undefined,
  code: error._tag === "TokenSourceDefect" ? undefined : error.code,
  status: error._tag === "TokenSourceDefect" ? undefined : error.status,
  detail: error._tag === "GrantRejected" ? undefined : error.detail,
  claims: error._tag === "GrantRejected" ? error.claims : undefined
})

/** The error that a stored failure was, for any process that reads it. */
export const fromStoredFailure = (key: string, failure: Failure | undefined, retryAfter?: number): TokenError => {
  if (failure === undefined) return new TokenEndpointError({ key, reason: "unavailable" })
  const { claims, code, detail, reason, status, tag } = failure
  switch (tag) {
    case "GrantRejected":
      return new ReauthorizationRequired({ key, reason: "refused", code, claims })
    case "ClientRejected":
      return new ClientRejected({ key, code: code ?? "unknown", status, detail })
    case "TokenSourceDefect":
      return new TokenSourceDefect({ key, detail: detail ?? "it threw" })
    case "TokenEndpointError": {
      const known = isReason(reason) ? reason : "unavailable"
      return new TokenEndpointError({ key, reason: known, code, status, detail, retryAfter })
    }
  }
}

const isReason = Schema.is(TokenEndpointError.fields.reason)
