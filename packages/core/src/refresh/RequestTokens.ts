import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { Fence } from "../model/Fence.js"
import { instant, wallOf } from "../model/Instant.js"
import { ClientRejected, GrantRejected, TokenEndpointError, TokenSourceDefect } from "../model/TokenError.js"
import { refreshDuration, refreshes } from "../model/TokenMetrics.js"
import { TokenSet } from "../model/TokenSet.js"
import { isSourceError, type SourceError, type TokenSource } from "../model/TokenSource.js"
import type { Failure } from "../store/Failure.js"
import type { Lease } from "./Lease.js"
import { isInDoubt } from "./Outcome.js"

/** What a source is asked for. */
export interface Request {
  readonly key: string
  readonly source: TokenSource
  readonly by: Failure["by"]
  readonly current: TokenSet | undefined
  /** Whether the access token in hand will not do. */
  readonly newer: boolean
  /** Bounds the request in time, to the last byte of its answer. */
  readonly timeout: Duration.Duration
}

/** What a request came to. */
export type RequestResult = Either.Either<TokenSet, SourceError | TokenSourceDefect>

/**
 * One request of the source, under `lease`; its answer checked, its lifetimes turned into instants that count from
 * before it was sent, and what it leaves out taken over from `current`. It has an answer whatever happens: a source
 * that died, or that never came back, has an error that says so.
 */
export const requestTokens = Effect.fnUntraced(function* (request: Request, lease: Lease) {
  const { by, current, newer, source, timeout } = request
  const began = yield* instant
  const asked = Effect.suspend((): Effect.Effect<TokenSet, SourceError> => {
    const effect = by === "login" ? source.login : current && source.refresh?.(current, newer)
    return effect ?? new GrantRejected({ code: "absent" })
  })
  const fenced = source.fenced === true ? asked : Effect.zipRight(lease.fence, asked)
  const noted: { answer: RequestResult | undefined } = { answer: undefined }
  // Noted by the fiber that receives it, in the step in which it does, so that nothing can come between.
  const received = Effect.uninterruptibleMask((restore) =>
    Effect.zipWith(
      Effect.exit(restore(Effect.provideService(fenced, Fence, lease.fence))),
      Effect.zip(FiberRef.get(FiberRef.interruptedCause), instant),
      (exit, [givenUp, now]) => {
        // Where the wall clock was set back meanwhile, lifetimes count from when it was sent by the clock as it is now.
        const answer = read(request, exit, wallOf(began, now))
        if (Exit.isSuccess(exit) || Cause.isEmpty(givenUp)) noted.answer = answer
        return answer
      }
    )
  ).pipe(Effect.disconnect)
  const waited = yield* (
    source.fenced === true ? Effect.raceFirst(received, Effect.either(lease.lost)) : received
  ).pipe(
    Effect.timeoutTo({
      duration: timeout,
      onSuccess: (answer): RequestResult => answer,
      onTimeout: (): RequestResult => Either.left(new TokenEndpointError({ reason: "timeout" }))
    }),
    Metric.trackDurationWith(refreshDuration, Duration.toSeconds),
    Effect.interruptible,
    Effect.exit
  )
  const answer = noted.answer ?? Exit.getOrElse(waited, (): RequestResult => Either.left(CUT_OFF))
  yield* count(by, answer)
  return answer
})

/** What the end of a request says. */
const read = (request: Request, exit: Exit.Exit<TokenSet, SourceError>, sentAt: number): RequestResult => {
  const defect = (detail: string, cause?: unknown) =>
    Either.left(new TokenSourceDefect({ key: request.key, detail: `its ${request.by} ${detail}`, cause }))
  if (Exit.isSuccess(exit)) {
    const { value } = exit
    if (!(value instanceof TokenSet)) return defect("gave no TokenSet; make it with TokenSet.make")
    return Either.getOrElse(
      Either.try(() => tokensOf(request, value, sentAt)),
      (cause) => defect("gave a TokenSet that cannot be read; make it with TokenSet.make", cause)
    )
  }
  const failure = Cause.failureOption(exit.cause)
  if (Option.isSome(failure)) {
    const error: unknown = failure.value
    // The login's own credentials were refused: only a change of the configuration helps.
    if (error instanceof GrantRejected && request.by === "login") {
      const { code, status } = error
      return Either.left(new ClientRejected({ code, status, detail: "the login was refused" }))
    }
    return isSourceError(error)
      ? Either.left(error)
      : defect(`failed with ${nameOf(error)}, which no source may`, error)
  }
  if (Cause.isInterruptedOnly(exit.cause)) return defect("was interrupted by itself")
  const cause = Cause.originalError(Cause.squash(exit.cause))
  return defect(`threw ${nameOf(cause)}`, cause)
}

const tokensOf = ({ by, current, source }: Request, answer: TokenSet, sentAt: number): RequestResult => {
  if (Redacted.value(answer.accessToken) === "") {
    return Either.left(new TokenEndpointError({ reason: "unreadable", detail: "the answer has no access token" }))
  }
  const fresh = answer.obtained(sentAt)
  const lifetime = source.traits.refreshTokenLifetime
  const tokens = new TokenSet({
    ...fresh,
    expiresAt: endOf(by, fresh, current, sentAt),
    refreshTokenExpiresAt:
      fresh.refreshTokenExpiresAt ?? (fresh.refreshToken && lifetime && sentAt + Duration.toMillis(lifetime))
  })
  return Either.right(by === "refresh" && current !== undefined ? tokens.following(current) : tokens)
}

/**
 * When a new token ends. Where the answer is silent, it lives as long as the one before it. A login that is answered with
 * the token that was there already puts off no end; a refresh that is, extends it.
 */
const endOf = (
  by: Failure["by"],
  fresh: TokenSet,
  current: TokenSet | undefined,
  sentAt: number
): number | undefined => {
  // A token that says it ended before it was asked for: one of the clocks is wrong, so its end counts as not said.
  const said = fresh.expiresAt !== undefined && fresh.expiresAt > sentAt ? fresh.expiresAt : undefined
  if (current?.hasAccessToken !== true || current.expiresAt === undefined) return said
  const { expiresAt, obtainedAt = expiresAt } = current
  const isSame = Equal.equals(fresh.accessToken, current.accessToken)
  if (isSame && by === "login" && expiresAt > sentAt) return Math.min(said ?? expiresAt, expiresAt)
  return said ?? (obtainedAt < expiresAt ? sentAt + expiresAt - obtainedAt : undefined)
}

const count = (by: Failure["by"], answer: RequestResult) => {
  const outcome = Either.match(answer, {
    onRight: () => "refreshed",
    onLeft: (error) => (error._tag === "GrantRejected" ? "refused" : isInDoubt(by, error) ? "in_doubt" : "failed")
  })
  return Metric.increment(Metric.tagged(refreshes, "outcome", outcome))
}

const nameOf = (cause: unknown): string => (Predicate.isError(cause) ? cause.name : typeof cause)
const CUT_OFF = new TokenEndpointError({ reason: "disconnected", detail: "the request was interrupted" })
