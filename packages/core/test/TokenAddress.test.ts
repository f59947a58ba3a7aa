import { HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  InvalidOption,
  TokenClient,
  TokenHttpClient,
  type TokenHttpClientOptions,
  TokenSet,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"
import { fakeApi, fakeProvider, refusing } from "./api.js"

const acme = "https://acme.example.com"
const address = {
  of: ({ site }: Readonly<Record<string, unknown>>) => (site === undefined ? undefined : `${site}/v2`),
  hosts: /[a-z0-9-]+\.example\.com/
}

/** A client whose n-th token came with the n-th of these addresses. */
const connect = (
  sites: ReadonlyArray<string | undefined>,
  answer: Parameters<typeof fakeApi>[0] = () => new Response("fine"),
  options: Partial<TokenHttpClientOptions> = {}
) =>
  Effect.gen(function* () {
    const api = fakeApi(answer)
    const { posts, provider } = yield* fakeProvider((count) => {
      const site = sites[Math.min(count, sites.length) - 1]
      return { extra: site === undefined ? {} : { site } }
    })
    const http = yield* TokenHttpClient.make({ address, ...options, provider: Effect.succeed(provider) }).pipe(
      Effect.provideService(HttpClient.HttpClient, api.client)
    )
    return { http, posts, provider, went: () => api.seen.map(({ authorization, url }) => [url.href, authorization]) }
  })

describe("an address that comes with the token", () => {
  it.scoped("P11: is where relative URLs go, and the one origin of its hosts that the token goes to", () =>
    Effect.gen(function* () {
      const { http, went } = yield* connect([acme])
      for (const url of ["/a?b=1", "a", "", `${acme}/other`, "https://other.example.com/", "https://evil.com/"]) {
        yield* http.get(url)
      }
      assert.deepStrictEqual(went(), [
        [`${acme}/v2/a?b=1`, "Bearer token-1"],
        [`${acme}/v2/a`, "Bearer token-1"],
        [`${acme}/v2`, "Bearer token-1"],
        [`${acme}/other`, "Bearer token-1"],
        ["https://other.example.com/", undefined],
        ["https://evil.com/", undefined]
      ])
    })
  )

  it.scoped("P11: names no host that the pattern does not match, whatever an answer says", () =>
    Effect.gen(function* () {
      for (const site of [
        "https://evil.com",
        "https://acme.example.com.evil.com",
        "https://acme.example.com@evil.com",
        "https://acme.example.com:8443",
        "https://evil.com/acme.example.com",
        "http://acme.example.com",
        "//acme.example.com",
        "https://acme.example.com/?q=",
        undefined
      ]) {
        const { http, went } = yield* connect([site])
        const error = yield* Effect.flip(http.get("/a"))
        assert.strictEqual(error._tag, "RequestError")
        assert.include(error.message, '"hosts" of "address"')
        yield* http.get(`${acme}/a`)
        assert.deepStrictEqual(went(), [[`${acme}/a`, undefined]])
      }
    })
  )

  it.scoped("is the new one for a call that is repeated after a refresh", () =>
    Effect.gen(function* () {
      const { http, went } = yield* connect([acme, "https://eu.example.com"], refusing(1))
      assert.strictEqual(yield* (yield* http.get("/a?b=1")).text, "fine")
      assert.deepStrictEqual(went(), [
        [`${acme}/v2/a?b=1`, "Bearer token-1"],
        ["https://eu.example.com/v2/a?b=1", "Bearer token-2"]
      ])
    })
  )

  it.scoped("is that also for a call whose URL named the old one", () =>
    Effect.gen(function* () {
      for (const [url, next] of [
        [`${acme}/v2/a?b=1`, "https://eu.example.com/x/v2/a?b=1"],
        [`${acme}/v2`, "https://eu.example.com/x/v2"],
        [`${acme}/v20/a`, "https://eu.example.com/v20/a"],
        [acme, "https://eu.example.com/"]
      ] as const) {
        const { http, went } = yield* connect([acme, "https://eu.example.com/x"], refusing(1))
        yield* http.get(url, { headers: { "x-a": "1" } })
        assert.deepStrictEqual(went()[1], [next, "Bearer token-2"])
      }
    })
  )

  it.scoped("takes no token to a host that only looks like the new one", () =>
    Effect.gen(function* () {
      const origins = [`${acme}.evil.example`]
      const { http, went } = yield* connect([acme, "https://eu.example.com"], refusing(1), { origins })
      yield* http.get(`${acme}.evil.example/a`)
      assert.deepStrictEqual(went(), [
        [`${acme}.evil.example/a`, "Bearer token-1"],
        [`${acme}.evil.example/a`, "Bearer token-2"]
      ])
    })
  )

  it.scoped("that the newer token lacks leaves the server's answer to the caller, who learns why", () =>
    Effect.gen(function* () {
      const { http, went } = yield* connect([acme, "https://evil.com"], refusing(1))
      const response = yield* http.get("/a")
      assert.deepStrictEqual([response.status, TokenHttpClient.refusal(response)?._tag], [401, "OriginNotDeclared"])
      assert.lengthOf(went(), 1)
    })
  )

  it.scoped("is looked at anew at each redirect, also below", () =>
    Effect.gen(function* () {
      const hop = (location: string) => new Response(null, { status: 302, headers: { location } })
      const api = fakeApi(({ url }) =>
        url.pathname === "/v2/a"
          ? hop("b")
          : url.pathname === "/v2/b"
            ? hop("https://other.example.com/c")
            : new Response()
      )
      const { provider } = yield* fakeProvider(() => ({ extra: { site: acme } }))
      const made = TokenHttpClient.make({ address, provider: Effect.succeed(provider) })
      const below = HttpClient.followRedirects(api.client)
      const http = yield* made.pipe(Effect.provideService(HttpClient.HttpClient, below))
      yield* http.get("/a")
      assert.deepStrictEqual(
        api.seen.map(({ authorization, url }) => [url.href, authorization]),
        [
          [`${acme}/v2/a`, "Bearer token-1"],
          [`${acme}/v2/b`, "Bearer token-1"],
          ["https://other.example.com/c", undefined]
        ]
      )
    })
  )

  it.scoped("leaves a request with a header of its own alone where the token is not for it", () =>
    Effect.gen(function* () {
      const { http, went } = yield* connect([acme], undefined, { replaceHeader: true })
      const own = (url: string) => http.execute(HttpClientRequest.bearerToken(HttpClientRequest.get(url), "own"))
      yield* own("/a")
      yield* own("https://other.example.com/a")
      assert.deepStrictEqual(went(), [
        [`${acme}/v2/a`, "Bearer token-1"],
        ["https://other.example.com/a", "Bearer own"]
      ])
    })
  )

  it.scoped("P13: that cannot work is an InvalidOption", () =>
    Effect.gen(function* () {
      const { of } = address
      const { provider } = yield* fakeProvider()
      for (const [options, option, expected] of [
        [{ address: { of } }, "address.hosts", "a regular expression"],
        [{ address: { of, hosts: "example.com" } }, "address.hosts", "a regular expression"],
        [{ address: { of, hosts: /.*/ } }, "address.hosts", "others do not"],
        [{ address: { of, hosts: /[a-z]+\.com/ } }, "address.hosts", "others do not"],
        [{ address: { of: "{site}", hosts: address.hosts } }, "address.of", "a function"],
        [{ address: { ...address, path: "/v1" } }, "address.path", "a known option"],
        [{ address, baseUrl: acme }, "address", "no baseUrl"]
      ] as const) {
        const made = TokenHttpClient.make(
          // @ts-expect-error: some of these are what a program in JavaScript may give
          { ...options, provider: Effect.succeed(provider) }
        )
        const { client } = fakeApi(() => new Response())
        const error = yield* Effect.flip(Effect.provideService(made, HttpClient.HttpClient, client))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, option)
        assert.include(error.expected, expected)
      }
    })
  )
})

describe("TokenClient.fetch", () => {
  it("P7: goes to the address that came with the token, also with one at hand, and to the new one after a refusal", async () => {
    const calls: Array<readonly [string, string | null]> = []
    let logins = 0
    const login = Effect.sync(() => {
      logins++
      const site = logins === 1 ? acme : "https://eu.example.com"
      return TokenSet.make({ accessToken: `token-${logins}`, expiresIn: "1 hour", extra: { site } })
    })
    await using client = TokenClient.make({
      ...{ key: "k", source: TokenSource.make({ login }), store: MemoryTokenStore.layer, address },
      fetch: async (input, init) => {
        const sent = new Headers(init?.headers).get("authorization")
        calls.push([`${input}`, sent])
        return new Response("", { status: sent === "Bearer token-1" ? (calls.length > 2 ? 401 : 200) : 200 })
      }
    })
    for (const url of ["/a", "/b", "/c", "https://other.example.com/d"]) await client.fetch(url)
    assert.deepStrictEqual(calls, [
      [`${acme}/v2/a`, "Bearer token-1"],
      [`${acme}/v2/b`, "Bearer token-1"],
      [`${acme}/v2/c`, "Bearer token-1"],
      ["https://eu.example.com/v2/c", "Bearer token-2"],
      ["https://other.example.com/d", null]
    ])
    assert.deepStrictEqual(await client.header({ url: "https://eu.example.com/x" }), {
      authorization: "Bearer token-2"
    })
    assert.deepStrictEqual(await client.header({ url: `${acme}/x` }), {})
  })
})
