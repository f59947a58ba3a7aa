import { assert, describe, it } from "@effect/vitest"
import {
  type AccessToken,
  GrantRejected,
  InvalidOption,
  NoSource,
  ProviderClosed,
  ReauthorizationRequired,
  TokenClient,
  TokenClients,
  TokenProviders,
  TokenRejected,
  TokenSet,
  type TokenSetOptions,
  TokenSource,
  Unauthorized
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer, Redacted } from "effect"

/** A client of a source whose tokens are `access-1`, `access-2` and so on. */
const fake = (tokens: (number: number) => Partial<TokenSetOptions> = () => ({}), canLogin = true) => {
  const server = { posts: 0, revoked: [] as Array<string> }
  const ask = Effect.sync(() => {
    server.posts++
    const own = tokens(server.posts)
    return TokenSet.make({ accessToken: `access-${server.posts}`, refreshToken: "r", expiresIn: "1 hour", ...own })
  })
  const source = TokenSource.make({
    login: canLogin ? ask : undefined,
    refresh: (current) =>
      current.refreshToken !== undefined && Redacted.value(current.refreshToken) === "dead"
        ? new GrantRejected({ code: "invalid_grant" })
        : ask,
    revoke: ({ accessToken }) => Effect.sync(() => void server.revoked.push(`${Redacted.value(accessToken)}`))
  })
  return { client: TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer }), server }
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("did not reject"),
    (error) => error
  )

/** The next tokens that a subscriber hears of. */
const heard = (client: TokenClient, count: number) => {
  const tokens: Array<AccessToken> = []
  let stop = () => {}
  const all = new Promise<ReadonlyArray<AccessToken>>((resolve) => {
    stop = client.subscribe((token) => {
      tokens.push(token)
      if (tokens.length === count) resolve(tokens)
    })
  })
  return { all, tokens, stop: () => stop() }
}

describe("TokenClient", () => {
  it("gives the secret, and the header that carries it", async () => {
    await using client = fake().client
    assert.strictEqual(await client.token(), "access-1")
    assert.deepStrictEqual(await client.header(), { authorization: "Bearer access-1" })
  })

  it("gives no header for a token that is bound to a key, and says what to use", async () => {
    await using client = fake(() => ({ tokenType: "DPoP", proofKey: Redacted.make("{}") })).client
    const error = await caught(client.header())
    assert.instanceOf(error, InvalidOption)
    assert.include(error.message, "fetch")
  })

  it("P7: is told which token was refused by its secret or a header, and takes no older one for it", async () => {
    const { client, server } = fake()
    const first = await client.token()
    const { authorization = "" } = await client.header()
    await client.reject(authorization)
    assert.strictEqual(await client.token(), "access-2")
    for (const older of [first, authorization, "Bearer other", ""]) await client.reject(older)
    assert.deepStrictEqual([await client.token(), server.posts], ["access-2", 2])
    await client.reject("access-2")
    assert.deepStrictEqual([await client.token(), server.posts], ["access-3", 3])
    await client.dispose()
  })

  it("P7: uses a newer token where a call says that its token was refused, and gives what else it throws", async () => {
    const { client, server } = fake()
    const calls: Array<number> = []
    const only = (good: number) => async (token: AccessToken) => {
      calls.push(token.generation)
      if (token.generation !== good) throw new TokenRejected()
      return `fine ${good}`
    }
    const { generation } = await client.get()
    assert.strictEqual(await client.use(only(generation + 1)), `fine ${generation + 1}`)
    assert.deepStrictEqual([calls, server.posts], [[generation, generation + 1], 2])
    assert.instanceOf(await caught(client.use(only(-1))), Unauthorized)
    const mine = new Error("mine")
    const error = await caught(
      client.use(() => {
        throw mine
      })
    )
    assert.strictEqual(error, mine)
    await client.dispose()
  })

  it("peeks without waiting: nothing at first, then the token that get gives", async () => {
    const { client, server } = fake()
    assert.isUndefined(client.peek())
    const token = await client.get()
    assert.strictEqual(client.peek()?.generation, token.generation)
    assert.strictEqual(server.posts, 1)
    await client.dispose()
    assert.isUndefined(client.peek())
  })

  it("asks for a token that holds for long enough", async () => {
    const { client, server } = fake()
    const now = Date.now()
    const ends = { obtainedAt: now - 40 * 60_000, expiresAt: now + 20 * 60_000 }
    const { generation } = await client.put({ accessToken: "theirs", refreshToken: "r", ...ends })
    assert.strictEqual((await client.get({ minValidity: "10 minutes" })).generation, generation)
    assert.strictEqual(server.posts, 0)
    assert.isAbove((await client.get({ minValidity: "25 minutes" })).generation, generation)
    assert.strictEqual(server.posts, 1)
    await client.dispose()
  })

  it("P13: refuses a bare number, and an option that it does not know", async () => {
    await using client = fake().client
    // @ts-expect-error a number says no unit
    const bare = await caught(client.get({ minValidity: 300 }))
    // @ts-expect-error it is minValidity
    const unknown = await caught(client.token({ minValidty: "5 minutes" }))
    for (const error of [bare, unknown]) assert.instanceOf(error, InvalidOption)
    assert.include(String(unknown), "minValidity")
  })

  it("refreshes, and P7: replaces the token that is rejected, once for all who say so", async () => {
    await using all = fake().client
    const first = await all.get()
    const second = await all.refresh()
    assert.isAbove(second.generation, first.generation)
    await all.reject(first)
    assert.strictEqual((await all.get()).generation, second.generation, "an older one was reported")
    await Promise.all([all.reject(), all.reject(), all.reject(second)])
    const third = await all.get()
    assert.strictEqual(await all.token(), "access-3")
    assert.isAbove(third.generation, second.generation)
  })

  it("starts from tokens got elsewhere, tells how it is doing, and logs out", async () => {
    const { client, server } = fake(() => ({}), false)
    assert.instanceOf(await caught(client.get()), ReauthorizationRequired)
    assert.isTrue((await client.status()).reauthorizationRequired)
    await client.put({ accessToken: "theirs", refreshToken: "r", expiresIn: "1 hour" })
    assert.strictEqual(await client.token(), "theirs")
    assert.isFalse((await client.status()).reauthorizationRequired)
    await client.put(TokenSet.make({ refreshToken: "dead" }))
    assert.instanceOf(await caught(client.get()), ReauthorizationRequired)
    await client.put({ accessToken: "again", refreshToken: "r" })
    await client.forget()
    assert.deepStrictEqual(server.revoked, ["again"])
    assert.instanceOf(await caught(client.get()), ReauthorizationRequired)
    assert.instanceOf(await caught(client.put({ accessToken: "" })), InvalidOption)
    await client.dispose()
  })

  it("tells subscribers the current token and each newer one, until they stop", async () => {
    const { client } = fake()
    await client.get()
    const early = heard(client, 2)
    const late = heard(client, 3)
    await client.refresh()
    assert.deepStrictEqual(
      (await early.all).map(({ value }) => Redacted.value(value)),
      ["access-1", "access-2"]
    )
    early.stop()
    await client.refresh()
    assert.strictEqual((await late.all).length, 3)
    assert.strictEqual(early.tokens.length, 2)
    await client.dispose()
    assert.throws(() => client.subscribe(() => {}), ProviderClosed)
    // @ts-expect-error no function
    assert.throws(() => client.subscribe("no"), InvalidOption)
  })

  it("P6: answers each of its verbs with ProviderClosed once it is disposed", async () => {
    const { client } = fake()
    await client.get()
    await client.dispose()
    const calls = [
      ...[client.get(), client.get({ minValidity: "1 minute" }), client.token(), client.header(), client.refresh()],
      ...[client.reject(), client.put({ accessToken: "a" }), client.forget(), client.status()]
    ]
    for (const call of calls) assert.instanceOf(await caught(call), ProviderClosed)
  })
})

describe("TokenClients", () => {
  const made = () => {
    const asked: Array<string> = []
    const layer = TokenProviders.layer({
      source: (key): Effect.Effect<TokenSource, NoSource | InvalidOption> =>
        key === "nobody"
          ? Effect.fail(new NoSource({ key }))
          : TokenSource.make({
              login: Effect.sync(() => {
                asked.push(key)
                return TokenSet.make({ accessToken: `${key}-token`, expiresIn: "1 hour" })
              })
            })
    })
    return { asked, clients: TokenClients.make(Layer.provide(layer, MemoryTokenStore.layer)) }
  }

  it("P1, P10: gives each key its own token, and asks once for all clients of a key", async () => {
    const { asked, clients } = made()
    const all = ["a", "b", "a", "b", "a"].map((key) => clients.of(key).token())
    assert.deepStrictEqual(await Promise.all(all), ["a-token", "b-token", "a-token", "b-token", "a-token"])
    assert.deepStrictEqual(asked.sort(), ["a", "b"])
    const heard = new Promise<string>((resolve) => void clients.of("a").onEvent(({ key }) => resolve(key)))
    await clients.of("a").get()
    await clients.of("b").refresh()
    await clients.of("a").refresh()
    assert.strictEqual(await heard, "a")
    await clients.dispose()
  })

  it("rejects for a key without a source, and P6: with ProviderClosed once it is disposed", async () => {
    const { clients } = made()
    assert.instanceOf(await caught(clients.of("nobody").get()), NoSource)
    const open = clients.of("a")
    await open.get()
    await clients.dispose()
    assert.instanceOf(await caught(open.refresh()), ProviderClosed)
    assert.instanceOf(await caught(clients.of("b").get()), ProviderClosed)
  })

  it("P13: is made of a layer", () => {
    // @ts-expect-error options are not a layer
    assert.throws(() => TokenClients.make({ source: () => {} }), InvalidOption)
  })
})
