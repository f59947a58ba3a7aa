import { Clock, Duration, Effect, Metric, Redacted, Schema } from "effect"
import {
  ClientRejected,
  GrantRejected,
  ReauthorizationRequired,
  TokenEndpointError,
  type TokenError
} from "./TokenError.js"
import { refreshDuration, refreshes } from "./TokenMetrics.js"
import { TokenSet } from "./TokenSet.js"
import type { SourceError, TokenSource } from "./TokenSource.js"
import type { Failure } from "./TokenStore.js"

/**
 * One request of the source, bounded in time to its last byte; its answer checked, its lifetimes turned into instants
 * that count from before it was sent, and what it leaves out taken over from `current`. `newer` says that the access
 * token in hand will not do.
 */
export const exchange = Effect.fnUntraced(function* (
  source: TokenSource,
  by: Failure["by"],
  current: TokenSet | undefined,
  newer: boolean,
  timeout: Duration.Duration
) {
  const sentAt = yield* Clock.currentTimeMillis
  const request = by === "login" ? source.login : current && source.refresh?.(current, newer)
  if (request === undefined) return yield* new GrantRejected({ code: "absent" })
  const answer = yield* request.pipe(
    Effect.catchAllDefect(() => new TokenEndpointError({ reason: "unreadable", detail: "the source threw" })),
    Effect.filterOrFail(
      (tokens) => Redacted.value(tokens.accessToken) !== "",
      () => new TokenEndpointError({ reason: "unreadable", detail: "the answer has no access token" })
    ),
    Effect.disconnect,
    Effect.timeoutFail({ duration: timeout, onTimeout: () => new TokenEndpointError({ reason: "timeout" }) }),
    Metric.trackDurationWith(refreshDuration, Duration.toMillis),
    Effect.tapBoth({
      onSuccess: () => count("refreshed"),
      onFailure: (error) =>
        count(error._tag === "GrantRejected" ? "refused" : isInDoubt(by, error) ? "in_doubt" : "failed")
    })
  )
  const fresh = answer.obtained(sentAt)
  const lifetime = source.traits.refreshTokenLifetime
  const tokens = new TokenSet({
    ...fresh,
    // A token that says it ended before it was asked for: one of the clocks is wrong, so its end counts as unknown.
    expiresAt: fresh.expiresAt !== undefined && fresh.expiresAt <= sentAt ? undefined : fresh.expiresAt,
    refreshTokenExpiresAt:
      fresh.refreshTokenExpiresAt ?? (fresh.refreshToken && lifetime && sentAt + Duration.toMillis(lifetime))
  })
  return by === "refresh" && current !== undefined ? tokens.following(current) : tokens
})

/** Whether a refresh token may have been used up although no answer told so. */
export const isInDoubt = (by: Failure["by"], error: SourceError): boolean =>
  by === "refresh" && error._tag === "TokenEndpointError" && error.isInDoubt

/** What the row keeps of an error. */
export const noted = (by: Failure["by"], error: SourceError): Failure => ({
  by,
  tag: error._tag,
  reason: error._tag === "TokenEndpointError" ? error.reason : undefined,
  code: error.code,
  status: error.status,
  detail: error._tag === "GrantRejected" ? undefined : error.detail
})

/** The error that a noted failure was, for whichever process reads it. */
export const remembered = (key: string, failure: Failure | undefined, retryAfter?: number): TokenError => {
  if (failure === undefined) return new TokenEndpointError({ key, reason: "unavailable" })
  const { code, detail, reason, status, tag } = failure
  switch (tag) {
    case "GrantRejected":
      return new ReauthorizationRequired({ key, reason: "refused", code })
    case "ClientRejected":
      return new ClientRejected({ key, code: code ?? "unknown", status, detail })
    case "TokenEndpointError": {
      const known = isReason(reason) ? reason : "unavailable"
      return new TokenEndpointError({ key, reason: known, code, status, detail, retryAfter })
    }
  }
}

const isReason = Schema.is(TokenEndpointError.fields.reason)
const count = (outcome: string) => Metric.increment(Metric.tagged(refreshes, "outcome", outcome))
