import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { DurationOption } from "../model/Options.js"
import { GrantRejected, type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, type TraitOptions } from "../model/TokenSource.js"

/** What `FakeTokenSource.make` takes; traits as for any source. */
export interface FakeTokenSourceOptions extends TraitOptions {
  /**
   * How long access tokens live.
   * @default "1 hour"
   */
  readonly expiresIn?: DurationOption | undefined
  /**
   * Whether it can get tokens from nothing. Without, a person has to log in: `put` what `login()` gives.
   * @default true
   */
  readonly canLogin?: boolean | undefined
}

/** What one request comes to, where that is not an answer at once. */
export interface FakeStep {
  /** How long it takes. */
  readonly takes?: DurationOption | undefined
  /** It fails, and nothing is done. */
  readonly fails?: SourceError | undefined
  /** All is done, and the answer gets lost. */
  readonly lost?: boolean | undefined
}

/** One request as the fake saw it. */
export interface FakeRequest {
  readonly by: "login" | "refresh"
  /** The refresh token that was presented: `refresh-1`, and so on. */
  readonly presented: string | undefined
  /** `ok`, `lost`, or the class of the error. */
  readonly outcome: string
}

/**
 * An authorization server in memory, for the tests of an app: its tokens are `access-1`, `refresh-1` and so on, each
 * refresh token works once, and one that comes again ends the grant.
 */
export class FakeTokenSource extends Data.Class<{
  /** The source, for `TokenProvider.make` and its like. */
  readonly source: Effect.Effect<TokenSource, InvalidOption>
  /** Every request so far, the oldest first. */
  readonly log: ReadonlyArray<FakeRequest>
  /** What the next requests come to, one each; those after them are answered at once. */
  readonly next: (...steps: ReadonlyArray<FakeStep>) => void
  /** What a person's login gives. */
  readonly login: () => TokenSet
  /** The grant is revoked: its refresh token is refused from now on. */
  readonly revoke: () => void
  /** How often a refresh token came that had been used before. */
  readonly reuses: () => number
}> {
  /** A fake with nothing logged. */
  static readonly make = (options: FakeTokenSourceOptions = {}): FakeTokenSource => {
    const { canLogin = true, expiresIn = "1 hour", ...traits } = options
    const log: Array<FakeRequest> = []
    const steps: Array<FakeStep> = []
    const used = new Set<string>()
    let [count, reuses] = [0, 0]
    let live: string | undefined

    const grant = (): TokenSet => {
      count++
      live = `refresh-${count}`
      return TokenSet.make({ accessToken: `access-${count}`, refreshToken: live, expiresIn })
    }
    const refresh = (presented: string) =>
      Effect.suspend(() => {
        if (used.has(presented)) {
          reuses++
          live = undefined
        }
        used.add(presented)
        return presented === live ? Effect.succeed(grant()) : new GrantRejected({ code: "invalid_grant" })
      })
    const answer = (by: FakeRequest["by"], presented: string | undefined, work: Effect.Effect<TokenSet, SourceError>) =>
      Effect.suspend(() => {
        const { fails, lost = false, takes = "0 millis" } = steps.shift() ?? {}
        const done = fails === undefined ? work : Effect.fail(fails)
        const told = lost ? Effect.zipRight(done, new TokenEndpointError({ reason: "disconnected" })) : done
        const note = (outcome: string) => Effect.sync(() => log.push({ by, presented, outcome }))
        return Effect.delay(told, takes).pipe(
          Effect.tapBoth({
            onSuccess: () => note("ok"),
            onFailure: ({ _tag }) => note(lost ? "lost" : _tag)
          })
        )
      })

    return new FakeTokenSource({
      source: TokenSource.make({
        ...traits,
        login: canLogin ? answer("login", undefined, Effect.sync(grant)) : undefined,
        refresh: ({ refreshToken }) => {
          const presented = refreshToken === undefined ? "" : Redacted.value(refreshToken)
          return answer("refresh", presented, refresh(presented))
        }
      }),
      log,
      next: (...more) => void steps.push(...more),
      login: grant,
      revoke: () => {
        live = undefined
      },
      reuses: () => reuses
    })
  }
}
