import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type { DurationOption } from "../model/Options.js"
import { GrantRejected, type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, type TraitOptions } from "../model/TokenSource.js"
import {
  ANYBODY,
  type FakeAuthority,
  type FakeDelay,
  type FakeRequest,
  type FakeTokenOptions,
  makeAuthority
} from "./FakeAuthority.js"

/** What `FakeTokenSource.make` takes: traits as for any source, which its server obeys. */
export interface FakeTokenSourceOptions extends TraitOptions, FakeTokenOptions {
  /**
   * Whether it can get tokens from nothing. Without, a person has to log in: `put` what `login()` gives.
   * @default true
   */
  readonly canLogin?: boolean | undefined
  /**
   * How long each request takes where the script says nothing.
   * @default "0 seconds"
   */
  readonly takes?: DurationOption | undefined
}

/** What one request comes to, where that is not an answer at once. */
export interface FakeStep extends FakeDelay {
  /** It fails, and nothing is done. */
  readonly fails?: SourceError | undefined
}

/** A source over an authorization server in memory, for the tests of an app. */
export interface FakeTokenSource extends FakeAuthority<FakeStep> {
  /** The source, for `TokenProvider.make` and its like. */
  readonly source: Effect.Effect<TokenSource, InvalidOption>
}

/** Constructors of `FakeTokenSource`. */
export const FakeTokenSource = {
  /**
   * A fake with nothing logged.
   *
   * @example
   * ```ts
   * const fake = FakeTokenSource.make({ expiresIn: "10 minutes" })
   * const provider = yield* TokenProvider.make({ key: "mine", source: fake.source })
   * fake.next({ lost: true }, { fails: new TokenEndpointError({ reason: "unavailable" }) })
   * ```
   */
  make: (options: FakeTokenSourceOptions = {}): FakeTokenSource => {
    const { canLogin = true, clock, expiresIn, refreshTokens, takes, ...traits } = options
    const window = Duration.toMillis(traits.replayWindow ?? "0 seconds")
    const { authority, grants, serve, take, tokensOf } = makeAuthority<FakeStep>(
      { clock, expiresIn, refreshTokens },
      window
    )
    const answer = <A>(by: FakeRequest["by"], presented: string | undefined, work: Effect.Effect<A, SourceError>) =>
      Effect.suspend(() => {
        const { fails, ...step } = { takes, ...take() }
        const done = fails === undefined ? work : Effect.fail(fails)
        return serve<A, SourceError>({ by, presented }, step, done, LOST, outcome)
      })
    const refresh = (presented: string) =>
      Effect.suspend(() => {
        const minted = grants.refresh(ANYBODY, presented)
        return minted === "invalid_grant"
          ? new GrantRejected({ code: minted })
          : Effect.succeed(TokenSet.make(tokensOf(minted)))
      })
    const login = Effect.sync(() => TokenSet.make(tokensOf(grants.login(ANYBODY))))
    return {
      ...authority,
      source: TokenSource.make({
        ...traits,
        login: canLogin ? answer("login", undefined, login) : undefined,
        refresh:
          refreshTokens === "none"
            ? undefined
            : ({ refreshToken }) => {
                const presented = refreshToken === undefined ? "" : Redacted.value(refreshToken)
                return answer("refresh", presented, refresh(presented))
              },
        revoke: ({ refreshToken }) => {
          const presented = refreshToken && Redacted.value(refreshToken)
          const token = presented === undefined ? undefined : grants.refreshTokens.get(presented)
          const ends = Effect.sync(() => token && grants.revoke(token.family))
          return serve<unknown, SourceError>({ by: "revoke", presented }, {}, ends, LOST, outcome)
        }
      })
    }
  }
}

const LOST = new TokenEndpointError({ reason: "disconnected" })

const outcome = (exit: Exit.Exit<unknown, SourceError>) =>
  Exit.match(exit, {
    onSuccess: () => "ok",
    onFailure: (cause) => (cause._tag === "Fail" ? cause.error._tag : "defect")
  })
