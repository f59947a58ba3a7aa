import { inspect } from "node:util"
import { HttpClient, HttpClientError } from "@effect/platform"
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
import { fakeApi, fakeProvider, origin } from "./api.js"
import { watchedSpans } from "./support/Spans.js"

const query = "access_token"

const connect = (
  answer: Parameters<typeof fakeApi>[0] = () => new Response("fine"),
  options: Partial<TokenHttpClientOptions> = {},
  layer: (client: HttpClient.HttpClient) => HttpClient.HttpClient = (client) => client
) =>
  Effect.gen(function* () {
    const api = fakeApi(answer)
    const fake = yield* fakeProvider()
    const made = TokenHttpClient.make({ origins: [origin], query, ...options, provider: Effect.succeed(fake.provider) })
    const http = yield* Effect.provideService(made, HttpClient.HttpClient, layer(api.client))
    return { ...fake, http, seen: api.seen, went: () => api.seen.map(({ url }) => url.href) }
  })

const refusesFirst = ({ url }: { readonly url: URL }) =>
  new Response("", { status: url.searchParams.get(query) === "token-1" ? 401 : 200 })
const to = (location: string) => new Response(null, { status: 302, headers: { location } })

describe("a token in a parameter of the address", () => {
  it.scoped("P11: stands beside the others, in no header, and goes to the declared origins alone", () =>
    Effect.gen(function* () {
      const { http, seen, went } = yield* connect()
      yield* http.get(`${origin}/a?b=1#c`, { urlParams: { d: "2" } })
      yield* http.get("https://evil.com/a")
      assert.deepStrictEqual(went(), [`${origin}/a?b=1&d=2&access_token=token-1#c`, "https://evil.com/a"])
      assert.notInclude(JSON.stringify(seen.map(({ headers }) => ({ ...headers }))), "token-1")
    })
  )

  it.scoped("P7: is replaced where it is refused", () =>
    Effect.gen(function* () {
      const { http, posts, went } = yield* connect(refusesFirst)
      assert.strictEqual((yield* http.get(`${origin}/a`)).status, 200)
      assert.deepStrictEqual(went(), [`${origin}/a?access_token=token-1`, `${origin}/a?access_token=token-2`])
      assert.strictEqual(posts(), 2)
    })
  )

  it.scoped("is not put into a request that has one already, unless it is to take its place", () =>
    Effect.gen(function* () {
      const left = yield* connect()
      const replaced = yield* connect(undefined, { replaceHeader: true })
      for (const { http } of [left, replaced]) {
        yield* http.get(`${origin}/a?access_token=mine&b=1`)
        yield* http.get(`${origin}/a`, { urlParams: { access_token: "mine" } })
      }
      assert.deepStrictEqual(left.went(), [`${origin}/a?access_token=mine&b=1`, `${origin}/a?access_token=mine`])
      assert.strictEqual(left.posts(), 0)
      assert.deepStrictEqual(replaced.went(), [
        `${origin}/a?b=1&access_token=token-1`,
        `${origin}/a?access_token=token-1`
      ])
    })
  )

  it.scoped("P11: does not go along where a redirect repeats it, here or below", () =>
    Effect.gen(function* () {
      const api = ({ url }: { readonly url: URL }) =>
        url.pathname === "/a"
          ? to(`/b${url.search}`)
          : url.pathname === "/b"
            ? to(`https://evil.com/c${url.search}`)
            : new Response()
      const { client, went } = yield* fetching(api)
      yield* Effect.promise(() => client.fetch(`${origin}/a?d=1`))
      assert.deepStrictEqual(went, [
        `${origin}/a?d=1&access_token=token-1`,
        `${origin}/b?d=1&access_token=token-1`,
        "https://evil.com/c?d=1"
      ])
      const below = yield* connect(api, {}, HttpClient.followRedirects())
      const error = yield* Effect.flip(below.http.get(`${origin}/a?d=1`))
      assert.include(error.message, "out of the token's origins")
      assert.notInclude(JSON.stringify([error, `${error}`, error.message]), "token-1")
      assert.deepStrictEqual(below.went(), [
        `${origin}/a?d=1&access_token=token-1`,
        `${origin}/b?d=1&access_token=token-1`
      ])
    })
  )

  it.scoped("has a client span that shows the address without it, and is propagated", () =>
    Effect.gen(function* () {
      const { http, seen } = yield* connect()
      const spans: Array<readonly [string, object]> = []
      const tracer = yield* watchedSpans((name, attributes) => spans.push([name, Object.fromEntries(attributes)]))
      yield* Effect.withTracer(http.get(`${origin}/a?b=1`), tracer)
      assert.deepInclude(spans, [
        "http.client GET",
        {
          ...{ "http.request.method": "GET", "http.response.status_code": 200, "server.address": origin },
          ...{ "url.full": `${origin}/a?b=1`, "url.path": "/a", "url.scheme": "https" }
        }
      ])
      assert.match(seen[0]?.headers.traceparent ?? "", /^00-/)
      const untraced = HttpClient.withTracerDisabledWhen(http, () => true)
      yield* Effect.withTracer(untraced.get(`${origin}/a`), tracer)
      assert.lengthOf(
        spans.filter(([name]) => name.startsWith("http.client")),
        1
      )
    })
  )

  it.scoped("P11: is quoted by no error of a layer below that takes no such address", () =>
    Effect.gen(function* () {
      const { http } = yield* connect(undefined, {}, (client) =>
        HttpClient.transform(client, (_, request) => {
          const cause = new TypeError(`Invalid URL: ${request.url}?${[...request.urlParams]}`)
          return Effect.fail(new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause }))
        })
      )
      const error = yield* Effect.flip(http.get(`${origin}/a`))
      assert.notInclude(inspect(error, { depth: 9 }), "token-1")
    })
  )

  it.scoped("a bound one is not sent", () =>
    Effect.gen(function* () {
      const api = fakeApi(() => new Response())
      const { provider } = yield* fakeProvider(() => ({ tokenType: "DPoP" }))
      const http = yield* TokenHttpClient.make({ origins: [origin], query, provider: Effect.succeed(provider) }).pipe(
        Effect.provideService(HttpClient.HttpClient, api.client)
      )
      assert.include((yield* Effect.flip(http.get(`${origin}/a`))).message, "bound to a key")
      assert.lengthOf(api.seen, 0)
    })
  )

  it.scoped("P13: is an InvalidOption beside a header or a scheme, and without a name", () =>
    Effect.gen(function* () {
      for (const [options, option] of [
        [{ header: "X-Token" }, "header"],
        [{ scheme: "Token" }, "scheme"],
        [{ query: "" }, "query"]
      ] as const) {
        const error = yield* Effect.flip(connect(undefined, options))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, option)
      }
    })
  )

  it.scoped("of TokenClient.fetch is shown by no response, and `header` says that there is none", () =>
    Effect.gen(function* () {
      const { client, went } = yield* fetching(refusesFirst)
      for (const path of ["/a", "/b"]) {
        const response = yield* Effect.promise(() => client.fetch(new Request(`${origin}${path}?c=1`)))
        assert.deepStrictEqual([response.status, response.url], [200, `${origin}${path}?c=1`])
        assert.strictEqual(response.clone().url, `${origin}${path}?c=1`)
      }
      assert.deepStrictEqual(
        went,
        ["/a?c=1&access_token=token-1", "/a?c=1&access_token=token-2", "/b?c=1&access_token=token-2"].map(
          (path) => `${origin}${path}`
        )
      )
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => client.header(), catch: (error) => error }))
      assert.propertyVal(error, "option", "query")
    })
  )
})

/** A `TokenClient` whose `fetch` is answered by `answer`, as by a server. */
const fetching = (answer: (request: { readonly url: URL }) => Response) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const went: Array<string> = []
      let logins = 0
      const login = Effect.sync(() => TokenSet.make({ accessToken: `token-${++logins}`, expiresIn: "1 hour" }))
      const client = TokenClient.make({
        ...{ key: "k", source: TokenSource.make({ login }), store: MemoryTokenStore.layer, origins: [origin], query },
        fetch: async (input) => {
          const url = input instanceof Request ? input.url : `${input}`
          went.push(url)
          return Object.defineProperty(answer({ url: new URL(url) }), "url", { value: url, configurable: true })
        }
      })
      return { client, went }
    }),
    ({ client }) => Effect.promise(() => client.dispose())
  )
