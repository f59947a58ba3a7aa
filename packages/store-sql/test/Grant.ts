import { GrantRejected, TokenSet, TokenSource } from "@evertoken/core"
import { Effect, Redacted } from "effect"

/** A grant in memory that rotates its refresh token, and is over once a spent one is presented. */
export const rotatingGrant = (options: { readonly during?: Effect.Effect<unknown> } = {}) => {
  let current = 1
  let posts = 0
  let alarms = 0
  const issue = () =>
    TokenSet.make({ accessToken: `at-${current}`, refreshToken: `rt-${current}`, expiresIn: "1 hour" })
  const source = TokenSource.make({
    refresh: (tokens) =>
      Effect.gen(function* () {
        posts++
        const presented = tokens.refreshToken === undefined ? "" : Redacted.value(tokens.refreshToken)
        if (options.during !== undefined) yield* options.during
        if (presented !== `rt-${current}`) {
          alarms++
          return yield* new GrantRejected({ code: "invalid_grant" })
        }
        current++
        return issue()
      })
  })
  /** Tokens to begin with, which have ended already. */
  const ended = TokenSet.make({ accessToken: "at-1", refreshToken: "rt-1", expiresAt: 0 })
  return { source, ended, issue, posts: () => posts, alarms: () => alarms }
}
