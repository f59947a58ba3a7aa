import { TokenSet } from "@evertoken/core"
import { FakeTokenSource } from "@evertoken/core/testing"
import { Effect } from "effect"

/** The fake of the kit with a person's login; `during` runs while it is asked. */
export const rotatingGrant = ({ during = Effect.void }: { readonly during?: Effect.Effect<unknown> } = {}) => {
  const fake = FakeTokenSource.make({ canLogin: false })
  const first = fake.login()
  const source = Effect.map(fake.source, ({ refresh, ...source }) => ({
    ...source,
    refresh: refresh && ((current: TokenSet) => Effect.zipRight(during, refresh(current)))
  }))
  /** The first tokens, but that the access token has ended already. */
  const ended = TokenSet.make({ accessToken: "access-1", refreshToken: "refresh-1", expiresAt: 0 })
  return { source, ended, issue: () => first, posts: fake.posts, alarms: fake.reuses }
}
