import { assert, describe, it } from "@effect/vitest"
import {
  InvalidOption,
  RefreshPolicy,
  TokenClient,
  type TokenClientOptions,
  TokenSet,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

const API = "https://api.example.com"

/** A client whose tokens are `token-1`, `token-2` and so on, and whose `fetch` is answered by `answer`. */
const make = async (
  answer: (url: string, authorization: string | null) => Response,
  options: TokenClientOptions = {},
  age = 0
) => {
  const calls: Array<readonly [url: string, authorization: string | null, custom: string | null]> = []
  const inits: Array<object> = []
  let posts = 0
  const login = Effect.sync(() => {
    posts++
    return TokenSet.make({ accessToken: `token-${posts}`, expiresIn: "10 minutes" })
  })
  const client = TokenClient.make({
    key: "k",
    source: TokenSource.make({ login }),
    policy: RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("1 second") }),
    store: MemoryTokenStore.layer,
    origins: [API],
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers)
      const call = [`${input}`, headers.get("authorization"), headers.get("x-key")] as const
      calls.push(call)
      inits.push({ ...init })
      return answer(call[0], call[1])
    },
    ...options
  })
  const { expiresAt = 0, obtainedAt } = await client.get()
  const older = age * 60_000
  if (age > 0) {
    await client.put({ accessToken: "token-1", obtainedAt: obtainedAt - older, expiresAt: expiresAt - older })
  }
  return { client, calls, inits, posts: () => posts }
}

const fine = () => new Response("fine")
const own = { headers: { authorization: "Bearer unused" } }

describe("replaceHeader", () => {
  it("P7: puts the token in the place of a header that is there already, and repairs it", async () => {
    const refusesFirst = (_: string, authorization: string | null) =>
      authorization === "Bearer token-1" ? new Response("no", { status: 401 }) : fine()
    const { calls, client, posts } = await make(refusesFirst, { replaceHeader: true })
    assert.strictEqual((await client.fetch(`${API}/a`, own)).status, 200)
    assert.deepStrictEqual([calls.map(([, sent]) => sent), posts()], [["Bearer token-1", "Bearer token-2"], 2])
    await client.dispose()
  })

  it("P11: leaves the header to other origins as it is; what was replaced goes nowhere", async () => {
    const away = (url: string) =>
      url.startsWith(API)
        ? new Response(null, { status: 307, headers: { location: "https://other.example/" } })
        : fine()
    const { calls, client } = await make(away, { replaceHeader: true, header: "x-key" })
    await client.fetch("https://other.example/a", { headers: { "x-key": "mine" } })
    await client.fetch(`${API}/a`, { headers: { "x-key": "replaced" } })
    assert.deepStrictEqual(
      calls.map(([, , sent]) => sent),
      ["mine", "token-1", null]
    )
    await client.dispose()
  })

  it("is off unless asked for, and nothing else than true or false", async () => {
    const { calls, client } = await make(fine)
    await client.fetch(`${API}/a`, own)
    assert.deepStrictEqual(calls[0]?.[1], "Bearer unused")
    await client.dispose()
    const wrong = { replaceHeader: "yes" } as unknown as TokenClientOptions
    const error = await make(fine, wrong).catch((error) => error)
    assert.instanceOf(error, InvalidOption)
    assert.strictEqual(error.option, "replaceHeader")
  })
})

describe("fetch with minValidity", () => {
  it("sends a token that holds for so long, where one can be had, once refreshed", async () => {
    const { calls, client, inits, posts } = await make(fine, {}, 8)
    await client.fetch(`${API}/a`, { minValidity: "1 minute" })
    await Promise.all([1, 2].map(() => client.fetch(`${API}/a`, { minValidity: "4 minutes" })))
    await client.fetch(`${API}/a`, { minValidity: "4 minutes" })
    const sent = ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-2"]
    assert.deepStrictEqual([calls.map(([, sent]) => sent), posts()], [sent, 2])
    assert.isFalse(inits.some((init) => "minValidity" in init))
    await client.dispose()
  })

  it("asks for no token where none is sent", async () => {
    const { client, posts } = await make(fine, {}, 8)
    await client.fetch("https://other.example/a", { minValidity: "4 minutes" })
    await client.fetch(`${API}/a`, { ...own, minValidity: "4 minutes" })
    assert.strictEqual(posts(), 1)
    await client.dispose()
  })

  it("refuses what is no length of time", async () => {
    const { calls, client } = await make(fine)
    const init = { minValidity: 60 } as unknown as RequestInit
    const error = await client.fetch(`${API}/a`, init).catch((error) => error)
    assert.instanceOf(error, InvalidOption)
    assert.deepStrictEqual([error.option, calls], ["minValidity", []])
    await client.dispose()
  })
})
