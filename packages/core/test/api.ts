import {
  GrantRejected,
  TokenProvider,
  type TokenProviderOptions,
  TokenSet,
  type TokenSetOptions
} from "@evertoken/core"
import { type FakeApiRequest, FakeResourceServer, FakeTokenSource } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

/** An API that answers by `answer` and keeps what it saw. */
export const fakeApi = (answer: (seen: FakeApiRequest, count: number) => Response | Effect.Effect<Response>) => {
  const { client, log, tokens } = FakeResourceServer.make({ answer })
  return { client, seen: log, tokens }
}

/** A provider whose n-th token is `token-n`, or what `tokens` says. */
export const fakeProvider = (
  tokens: (count: number) => Partial<TokenSetOptions> | GrantRejected = () => ({}),
  options: Partial<TokenProviderOptions> = {}
) =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ refreshTokens: "none" })
    const given = Effect.suspend(() => {
      const next = tokens(fake.posts())
      return next instanceof GrantRejected
        ? Effect.fail(next)
        : Effect.succeed(TokenSet.make({ accessToken: `token-${fake.posts()}`, expiresIn: "1 hour", ...next }))
    })
    const source = Effect.map(fake.source, ({ login, ...source }) => ({
      ...source,
      login: login && Effect.zipRight(login, given)
    }))
    const provider = yield* TokenProvider.make({ key: "k", source, ...options })
    return { provider, posts: fake.posts }
  }).pipe(Effect.provide(MemoryTokenStore.layer))

/** Refuses the tokens with these numbers. */
export const refusing =
  (...numbers: ReadonlyArray<number>) =>
  ({ authorization }: FakeApiRequest) =>
    numbers.some((number) => authorization === `Bearer token-${number}`)
      ? new Response("refused", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })
      : new Response("fine")

export const origin = "https://api.example.com"
