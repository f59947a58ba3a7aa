import { inspect } from "node:util"
import { HttpBody, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  GrantRejected,
  InvalidOption,
  OAuth2,
  RefreshPolicy,
  TokenHttpClient,
  type TokenHttpClientOptions,
  TokenProvider,
  TokenSet,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Context, Effect, Fiber, Layer, Option, Redacted, Schedule, Stream, TestClock } from "effect"
import { fakeApi, fakeProvider, origin, refusing } from "./api.js"

type Api = ReturnType<typeof fakeApi>
type Fake = Effect.Effect.Success<ReturnType<typeof fakeProvider>>

const connect = (api: Api, { provider }: Fake, options: Partial<TokenHttpClientOptions> = { origins: [origin] }) =>
  TokenHttpClient.make({ ...options, provider: Effect.succeed(provider) }).pipe(
    Effect.provideService(HttpClient.HttpClient, api.client)
  )

const ok = () => new Response("fine")
const refused = (challenge: string, status = 401) =>
  new Response("refused", { status, headers: { "www-authenticate": challenge } })
const challenge = (header: string) => (_: unknown, count: number) => (count === 1 ? refused(header) : ok())

describe("where a token goes", () => {
  it.scoped("P11: to the declared origins and to no other, however alike", () =>
    Effect.gen(function* () {
      const api = fakeApi(ok)
      const http = yield* connect(api, yield* fakeProvider())
      yield* http.get(`${origin}/a`)
      yield* http.get("HTTPS://API.example.com:443/b")
      for (const url of [
        "https://api.example.com.evil.com/",
        "https://evil.com/?https://api.example.com",
        "https://api.example.com@evil.com/",
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://www.example.com/"
      ]) {
        yield* http.get(url)
      }
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-1", ...Array(6).fill(undefined)])
    })
  )

  it.scoped("below `baseUrl`, which relative URLs are put after", () =>
    Effect.gen(function* () {
      const api = fakeApi(ok)
      const http = yield* connect(api, yield* fakeProvider(), { baseUrl: "https://api.example.com/v2/" })
      for (const url of ["/a?b=1", "a", "", "//evil.com/x", "https://evil.com/"]) yield* http.get(url)
      assert.deepStrictEqual(
        api.seen.map(({ authorization, url }) => [url.href, authorization]),
        [
          ["https://api.example.com/v2/a?b=1", "Bearer token-1"],
          ["https://api.example.com/v2/a", "Bearer token-1"],
          ["https://api.example.com/v2", "Bearer token-1"],
          ["https://api.example.com/v2//evil.com/x", "Bearer token-1"],
          ["https://evil.com/", undefined]
        ]
      )
    })
  )

  it.scoped("where the client below puts a base before the URL", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider()
      const client = HttpClient.mapRequest(api.client, HttpClientRequest.prependUrl(origin))
      const http = yield* connect({ ...api, client }, fake)
      yield* HttpClient.mapRequest(http, HttpClientRequest.setHeader("x-outer", "1")).get("/a")
      assert.deepStrictEqual(
        api.seen.map(({ authorization, url }) => [url.href, authorization]),
        [
          [`${origin}/a`, "Bearer token-1"],
          [`${origin}/a`, "Bearer token-2"]
        ]
      )
    })
  )

  it.scoped("not into a request that has the header already, which is not repaired either", () =>
    Effect.gen(function* () {
      const api = fakeApi(() => refused("Bearer"))
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const response = yield* http.get(`${origin}/a`, { headers: { Authorization: "Basic mine" } })
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual([api.tokens(), fake.posts()], [["Basic mine"], 0])
    })
  )

  it.scoped("not into calls that ask to go without", () =>
    Effect.gen(function* () {
      const api = fakeApi(() => refused("Bearer"))
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const response = yield* TokenHttpClient.withoutToken(http.get(`${origin}/a`))
      assert.deepStrictEqual([response.status, api.tokens(), fake.posts()], [401, [undefined], 0])
    })
  )

  it.scoped("P7: not into the calls of a token endpoint, wherever it is, though they go through the same client", () =>
    Effect.gen(function* () {
      const api = fakeApi(({ url }) =>
        url.pathname === "/token" ? Response.json({ access_token: "inner", expires_in: 60 }) : ok()
      )
      const outer = yield* fakeProvider()
      const layer = TokenHttpClient.layer({ origins: [origin] }).pipe(
        Layer.provide(Layer.succeed(TokenProvider, outer.provider)),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, api.client))
      )
      const source = OAuth2.clientCredentials({ tokenEndpoint: `${origin}/token`, clientId: "public" })
      const inner = yield* TokenProvider.make({ key: "inner", source }).pipe(
        Effect.provide(layer),
        Effect.provide(MemoryTokenStore.layer)
      )
      yield* inner.get
      assert.deepStrictEqual([api.tokens(), outer.posts()], [[undefined], 0])
    })
  )

  it.scoped("under another name or scheme, as the provider of the API wants it", () =>
    Effect.gen(function* () {
      const api = fakeApi(({ headers }) => (Object.values(headers).join().includes("token-1") ? refused("") : ok()))
      const sent = function* (options: Partial<TokenHttpClientOptions>) {
        const http = yield* connect(api, yield* fakeProvider(), { origins: [origin], ...options })
        const before = api.seen.length
        yield* http.get(`${origin}/a`)
        return api.seen
          .slice(before)
          .map(({ headers }) => Object.fromEntries(Object.entries(headers).filter(([name]) => /auth|tok/.test(name))))
      }
      assert.deepStrictEqual(yield* sent({ header: "X-Shopify-Access-Token" }), [
        { "x-shopify-access-token": "token-1" },
        { "x-shopify-access-token": "token-2" }
      ])
      assert.deepStrictEqual(yield* sent({ scheme: "Zoho-oauthtoken" }), [
        { authorization: "Zoho-oauthtoken token-1" },
        { authorization: "Zoho-oauthtoken token-2" }
      ])
      assert.deepStrictEqual(yield* sent({ header: "X-Token", scheme: "Token" }), [
        { "x-token": "Token token-1" },
        { "x-token": "Token token-2" }
      ])
    })
  )

  it.scoped("by the scheme that the token's type names, with one spelling of bearer", () =>
    Effect.gen(function* () {
      const api = fakeApi(ok)
      for (const tokenType of ["bEARER", undefined, "MAC"]) {
        const http = yield* connect(api, yield* fakeProvider(() => ({ tokenType })))
        yield* http.get(`${origin}/a`)
      }
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-1", "MAC token-1"])
    })
  )

  it.scoped("P11: nowhere, if no header can carry it, with an error that does not show it", () =>
    Effect.gen(function* () {
      const api = fakeApi(ok)
      const accessToken = Redacted.make("secret\r\nX: 1")
      for (const odd of [{ accessToken }, { tokenType: "no scheme" }, { tokenType: "DPoP" }]) {
        const login = Effect.succeed(new TokenSet({ ...TokenSet.make({ accessToken: "token" }), ...odd }))
        const http = yield* connect(
          api,
          yield* fakeProvider(undefined, { source: Effect.orDie(TokenSource.make({ login })) })
        )
        const error = yield* Effect.flip(http.get(`${origin}/a`))
        assert.propertyVal(error, "reason", "Encode")
        assert.notInclude(show(error), "secret")
      }
      assert.strictEqual(api.seen.length, 0)
    })
  )
})

describe("a rejected token", () => {
  it.scoped("P7: is replaced once, and the call is made again with the new one", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const response = yield* http.get(`${origin}/a`)
      assert.strictEqual(yield* response.text, "fine")
      assert.isUndefined(TokenHttpClient.refusal(response))
      assert.deepStrictEqual([api.tokens(), fake.posts()], [["Bearer token-1", "Bearer token-2"], 2])
    })
  )

  it.scoped(
    "P7: a resource that always refuses sees two requests, causes one refresh, and its last answer is given",
    () =>
      Effect.gen(function* () {
        const api = fakeApi((_, count) => new Response(`no ${count}`, { status: 401 }))
        const fake = yield* fakeProvider()
        const http = yield* connect(api, fake)
        const response = yield* http.get(`${origin}/a`)
        assert.deepStrictEqual([response.status, yield* response.text], [401, "no 2"])
        assert.propertyVal(TokenHttpClient.refusal(response), "_tag", "RetriesSpent")
        assert.deepStrictEqual([api.tokens(), fake.posts()], [["Bearer token-1", "Bearer token-2"], 2])
      })
  )

  it.scoped("is retried as the policy's schedule spaces it", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1, 2, 3))
      const unauthorized = Schedule.spaced("2 seconds").pipe(Schedule.intersect(Schedule.recurs(2)))
      const fake = yield* fakeProvider(undefined, { policy: RefreshPolicy.make({ unauthorized }) })
      const http = yield* connect(api, fake)
      const call = yield* Effect.fork(http.get(`${origin}/a`))
      const counts: Array<number> = []
      for (const step of ["0 millis", "1999 millis", "1 millis", "2 seconds", "1 minute"] as const) {
        yield* TestClock.adjust(step)
        counts.push(api.seen.length)
      }
      assert.deepStrictEqual(counts, [1, 1, 2, 3, 3])
      assert.strictEqual((yield* Fiber.join(call)).status, 401)
    })
  )

  it.scoped("P7: late refusals of an older token cost no refresh: 50 over five seconds cause one", () =>
    Effect.gen(function* () {
      let started = 0
      const api = fakeApi((seen) =>
        seen.authorization === "Bearer token-1"
          ? Effect.delay(
              Effect.sync(() => refused("Bearer")),
              ++started * 100
            )
          : ok()
      )
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const calls = yield* Effect.fork(
        Effect.forEach(Array(50), () => http.get(`${origin}/a`), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("5 seconds")
      const responses = yield* Fiber.join(calls)
      assert.isTrue(responses.every(({ status }) => status === 200))
      assert.deepStrictEqual([api.seen.length, fake.posts()], [100, 2])
    })
  )

  it.scoped("P7: is not sent again where the refresh gives the same one", () =>
    Effect.gen(function* () {
      const api = fakeApi(() => refused("Bearer"))
      const fake = yield* fakeProvider(() => ({ accessToken: "always" }))
      const http = yield* connect(api, fake)
      const response = yield* http.get(`${origin}/a`)
      assert.deepStrictEqual([response.status, api.tokens(), fake.posts()], [401, ["Bearer always"], 2])
    })
  )

  it.scoped(
    "P7: one after another, as a missing permission looks, cause a handful of refreshes and an event, no storm",
    () =>
      Effect.gen(function* () {
        const api = fakeApi(() => refused("Bearer"))
        const fake = yield* fakeProvider()
        const http = yield* connect(api, fake)
        const events = yield* Effect.fork(
          Stream.runHead(Stream.filter(fake.provider.events, ({ _tag }) => _tag === "RejectionsIgnored"))
        )
        yield* Effect.yieldNow()
        for (let call = 0; call < 100; call++) assert.strictEqual((yield* http.get(`${origin}/a`)).status, 401)
        assert.isAtMost(fake.posts(), 6)
        assert.isTrue(Option.isSome(yield* Fiber.join(events)))
      })
  )

  it.scoped("is left to the caller who asked for no retry, and the next call has a newer one", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const response = yield* TokenHttpClient.withoutRetry(http.post(`${origin}/a`))
      assert.deepStrictEqual([response.status, fake.posts(), api.seen.length], [401, 1, 1])
      assert.propertyVal(TokenHttpClient.refusal(response), "_tag", "WithoutRetry")
      yield* http.get(`${origin}/b`)
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-2"])
    })
  )

  it.scoped("and no newer one to be had: the call fails with the reason", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider((count) => (count === 1 ? {} : new GrantRejected({ code: "access_denied" })))
      const http = yield* connect(api, fake)
      const error = yield* Effect.flip(http.get(`${origin}/a`))
      assert.propertyVal(error, "_tag", "ClientRejected")
    })
  )

  it.scoped("lets go of the connection of each answer that nobody gets to see", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      let resolve = (): void => undefined
      const both = new Promise<void>((done) => {
        resolve = done
      })
      const end = (how: string) => {
        if (ended.push(how) === 2) resolve()
      }
      const body = (name: string, chunks: number) => {
        let left = chunks
        return new ReadableStream<Uint8Array>({
          pull: (controller) => {
            if (left-- > 0) return controller.enqueue(new Uint8Array(1024))
            controller.close()
            end(`${name} read`)
          },
          cancel: () => end(`${name} cut`)
        })
      }
      const api = fakeApi(({ authorization, url }) =>
        authorization === "Bearer token-1"
          ? new Response(body(url.pathname, +url.search.slice(1)), { status: 401 })
          : ok()
      )
      const http = yield* connect(api, yield* fakeProvider())
      yield* Effect.all([http.get(`${origin}/short?2`), http.get(`${origin}/endless?1e9`)], { concurrency: 2 })
      yield* Effect.promise(() => both)
      assert.deepStrictEqual(ended.sort(), ["/endless cut", "/short read"])
    })
  )

  it.scoped("interrupting the call interrupts the request", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const api = fakeApi(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)))
      const http = yield* connect(api, yield* fakeProvider())
      const call = yield* Effect.fork(http.get(`${origin}/a`))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(call)
      assert.deepStrictEqual([api.seen.length, interrupted], [1, 1])
    })
  )
})

describe("what counts as a rejection", () => {
  const attempts = (answer: Parameters<typeof fakeApi>[0], options: Partial<TokenHttpClientOptions> = {}) =>
    Effect.gen(function* () {
      const api = fakeApi(answer)
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake, { origins: [origin], ...options })
      const response = yield* http.get(`${origin}/a`)
      return { requests: api.seen.length, refreshes: fake.posts() - 1, response }
    })

  it.scoped("P7: a bare 403 and other errors are none", () =>
    Effect.gen(function* () {
      for (const status of [400, 403, 404, 407, 429, 500, 503]) {
        const { refreshes, requests, response } = yield* attempts(() => new Response("x", { status }))
        assert.deepStrictEqual([requests, refreshes, response.status, yield* response.text], [1, 0, status, "x"])
        assert.isUndefined(TokenHttpClient.refusal(response))
      }
    })
  )

  it.scoped("P7: a missing scope is none, on a 401 or a 403: no token helps, and the scope is told", () =>
    Effect.gen(function* () {
      for (const status of [401, 403]) {
        const { refreshes, requests, response } = yield* attempts(
          () => refused('Bearer realm="a, b", error="insufficient_scope", scope="write admin"', status),
          { rejected: () => true }
        )
        assert.deepStrictEqual([requests, refreshes, yield* response.text], [1, 0, "refused"])
        const refusal = TokenHttpClient.refusal(response)
        assert.deepInclude(refusal, { _tag: "InsufficientScope", scope: "write admin" })
      }
    })
  )

  it.scoped("claims that a newer token has by itself are asked for by a refresh, others are told", () =>
    Effect.gen(function* () {
      const newer = btoa(JSON.stringify({ access_token: { nbf: { essential: true, value: "1604106651" } } }))
      const stepUp = btoa(JSON.stringify({ access_token: { acrs: { essential: true, value: "c1" } } }))
      const header = (claims: string) => `Bearer realm="", error="insufficient_claims", claims="${claims}"`
      const mended = yield* attempts(challenge(header(newer)))
      assert.deepStrictEqual([mended.requests, mended.refreshes, mended.response.status], [2, 1, 200])
      const told = yield* attempts(() => refused(header(stepUp)))
      assert.deepStrictEqual([told.requests, told.refreshes], [1, 0])
      assert.deepInclude(TokenHttpClient.refusal(told.response), { _tag: "ClaimsRequired", claims: atob(stepUp) })
    })
  )

  it.scoped("is added to by a predicate over status, headers and body, and never taken from", () =>
    Effect.gen(function* () {
      const when = (rejected: TokenHttpClientOptions["rejected"], first: () => Response) =>
        Effect.map(
          attempts((_, count) => (count === 1 ? first() : ok()), { rejected }),
          ({ refreshes }) => refreshes
        )
      const error = () => Response.json({ status: "ERROR" })
      assert.strictEqual(yield* when(({ body }) => body().includes("ERROR"), error), 1)
      assert.strictEqual(yield* when(({ body }) => body().includes("EXPIRED"), error), 0)
      assert.strictEqual(
        yield* when(
          ({ status }) => status === 404,
          () => new Response("", { status: 404 })
        ),
        1
      )
      const header = () => new Response("", { status: 400, headers: { "X-Amzn-ErrorType": "ExpiredToken" } })
      assert.strictEqual(yield* when(({ headers }) => headers["x-amzn-errortype"] === "ExpiredToken", header), 1)
      assert.strictEqual(
        yield* when(
          () => false,
          () => refused("Bearer")
        ),
        1
      )
    })
  )

  it.scoped("is looked for in the first 16 KiB of a body, all of which can still be read in every way", () =>
    Effect.gen(function* () {
      const bytes = crypto.getRandomValues(new Uint8Array(50_000))
      const looked: Array<number> = []
      const rejected: TokenHttpClientOptions["rejected"] = ({ body }) => looked.push(body().length) < 0
      const answer = (body: BodyInit | null, init?: ResponseInit) =>
        Effect.map(
          attempts(() => new Response(body, init), { rejected }),
          ({ response }) => response
        )
      assert.deepStrictEqual(new Uint8Array(yield* (yield* answer(bytes)).arrayBuffer), bytes)
      assert.isAtMost(Math.max(...looked), 16 * 1024)
      const streamed = yield* Stream.runCollect((yield* answer(bytes)).stream)
      assert.deepStrictEqual(Buffer.concat([...streamed]), Buffer.from(bytes))
      assert.strictEqual(yield* (yield* answer("é".repeat(20_000))).text, "é".repeat(20_000))
      assert.strictEqual(yield* (yield* answer("")).text, "")
      assert.strictEqual(yield* (yield* answer(null, { status: 204 })).text, "")
      const json = yield* answer('{"a":1}', {
        status: 203,
        headers: [
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"]
        ]
      })
      assert.deepStrictEqual(
        [json.status, yield* json.json, Object.keys(json.cookies.cookies)],
        [203, { a: 1 }, ["a", "b"]]
      )
      const form = new FormData()
      form.set("a", "1")
      assert.strictEqual((yield* (yield* answer(form)).formData).get("a"), "1")
    })
  )

  it.scoped("P6: is looked for no longer than a second, also where whoever asks cannot be interrupted", () =>
    Effect.gen(function* () {
      const never = () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), { status: 400 })
      const http = yield* connect(fakeApi(never), yield* fakeProvider(), {
        origins: [origin],
        rejected: ({ body }) => body().includes("expired")
      })
      const asked = yield* Effect.forkDaemon(Effect.uninterruptible(http.get(`${origin}/a`)))
      for (let tenth = 0; tenth < 30; tenth++) {
        yield* Effect.promise(() => new Promise((done) => setTimeout(done, 1)))
        yield* TestClock.adjust("100 millis")
      }
      assert.isNotNull(asked.unsafePoll(), "not answered")
      assert.strictEqual((yield* Fiber.join(asked)).status, 400)
    })
  )

  it.scoped("is not looked for in a body that the predicate leaves alone", () =>
    Effect.gen(function* () {
      let pulled = 0
      const body = () => new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 })
      const rejected: TokenHttpClientOptions["rejected"] = ({ body, status }) => status === 400 && body() !== ""
      yield* attempts(() => new Response(body()), { rejected })
      assert.strictEqual(pulled, 0)
    })
  )
})

describe("a body", () => {
  const send = (body: HttpBody.HttpBody, mark = (request: HttpClientRequest.HttpClientRequest) => request) =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider()
      const http = yield* connect(api, fake)
      const request = HttpClientRequest.post(`${origin}/a`).pipe(HttpClientRequest.setBody(body), mark)
      const response = yield* http.execute(HttpClientRequest.setHeader(request, "x-later", "1"))
      const refusal = TokenHttpClient.refusal(response)
      return { bodies: api.seen.map(({ body }) => body), refusal, fake, response }
    })

  const form = new FormData()
  form.set("a", "1")
  for (const [name, body, text] of [
    ["text", HttpBody.text("hällo"), "hällo"],
    ["bytes", HttpBody.uint8Array(new TextEncoder().encode("bytes")), "bytes"],
    ["JSON", HttpBody.unsafeJson({ a: 1 }), '{"a":1}'],
    ["a form", HttpBody.formData(form), '[["a","1"]]'],
    ["URL parameters", HttpBody.raw(new URLSearchParams({ a: "1" })), "a=1"],
    ["a blob", HttpBody.raw(new Blob(["blob"])), "blob"],
    ["a buffer", HttpBody.raw(new TextEncoder().encode("raw").buffer), "raw"],
    ["nothing", HttpBody.empty, ""]
  ] as const) {
    it.scoped(`P7: of ${name} is sent again, the same`, () =>
      Effect.gen(function* () {
        const { bodies, response } = yield* send(body)
        assert.deepStrictEqual([bodies, response.status], [[text, text], 200])
      })
    )
  }

  it.scoped("P7: that is a stream is sent again only where the caller says that it can be", () =>
    Effect.gen(function* () {
      const { bodies } = yield* send(
        HttpBody.stream(Stream.make(new TextEncoder().encode("again"))),
        TokenHttpClient.replayable
      )
      assert.deepStrictEqual(bodies, ["again", "again"])
    })
  )

  const once = () => new Blob(["once"]).stream()
  for (const [name, body] of [
    ["a stream", HttpBody.stream(Stream.fromReadableStream(once, (error) => error))],
    ["a web stream", HttpBody.raw(once())]
  ] as const) {
    it.scoped(`P7: that is ${name} is sent once: the token is renewed, the caller gets the 401 and is told why`, () =>
      Effect.gen(function* () {
        const { bodies, fake, refusal, response } = yield* send(body)
        assert.deepStrictEqual([bodies, response.status, yield* response.text], [["once"], 401, "refused"])
        assert.propertyVal(refusal, "_tag", "BodyNotReplayable")
        yield* fake.provider.get
        assert.strictEqual(fake.posts(), 2)
      })
    )
  }
})

describe("options that cannot work", () => {
  const cases: ReadonlyArray<readonly [string, object]> = [
    ["origins", {}],
    ["origins", { origins: [] }],
    ["origins", { origins: "https://api.example.com" }],
    ["origins", { origins: ["https://api.example.com/v2"] }],
    ["origins", { origins: ["http://api.example.com"] }],
    ["origins", { origins: ["api.example.com"] }],
    ["origins", { origins: ["https://*"] }],
    ["origins", { origins: ["https://me:pw@api.example.com"] }],
    ["origins", { origins: ["https://api.example.com?"] }],
    ["origins", { origins: [origin, "ftp://api.example.com"] }],
    ["origins", { origins: [42] }],
    ["baseUrl", { baseUrl: "/v2" }],
    ["baseUrl", { baseUrl: "http://api.example.com/v2" }],
    ["baseUrl", { baseUrl: "https://api.example.com/v2?a=1" }],
    ["header", { origins: [origin], header: "X Token" }],
    ["scheme", { origins: [origin], scheme: "Bearer " }]
  ]
  for (const [option, options] of cases) {
    it.scoped(`are told by name, before anything is sent: ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const api = fakeApi(ok)
        const error = yield* Effect.flip(connect(api, yield* fakeProvider(), options))
        assert.instanceOf(error, InvalidOption)
        assert.propertyVal(error, "option", option)
      })
    )
  }

  it.scoped("leave loopback addresses over http alone", () =>
    Effect.gen(function* () {
      const fake = yield* fakeProvider()
      const origins = ["http://localhost:1234", "http://127.0.0.1", "http://[::1]:80", "https://api.example.com/"]
      yield* connect(fakeApi(ok), fake, { origins })
    })
  )
})

describe("layer", () => {
  it.scoped("gives a plain HttpClient; a TokenError is the cause of a RequestError, without the token", () =>
    Effect.gen(function* () {
      const api = fakeApi(refusing(1))
      const fake = yield* fakeProvider((count) => (count === 1 ? {} : new GrantRejected({ code: "access_denied" })))
      const error = yield* HttpClient.get(`${origin}/a`).pipe(
        Effect.provide(TokenHttpClient.layer({ origins: [origin] })),
        Effect.provideService(TokenProvider, fake.provider),
        Effect.provideService(HttpClient.HttpClient, api.client),
        Effect.flip
      )
      assert.instanceOf(error, HttpClientError.RequestError)
      assert.propertyVal(error.cause, "_tag", "ClientRejected")
      assert.notInclude(show(error), "token-1")
    })
  )

  it.scoped("takes the tag of an app's own provider", () =>
    Effect.gen(function* () {
      class Xero extends Context.Tag("test/Xero")<Xero, TokenProvider["Type"]>() {}
      const api = fakeApi(ok)
      const fake = yield* fakeProvider()
      const layer: Layer.Layer<HttpClient.HttpClient, InvalidOption, HttpClient.HttpClient | Xero> =
        TokenHttpClient.layer({ origins: [origin], provider: Xero })
      yield* HttpClient.get(`${origin}/a`).pipe(
        Effect.provide(layer),
        Effect.provideService(Xero, fake.provider),
        Effect.provideService(HttpClient.HttpClient, api.client)
      )
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1"])
    })
  )
})

const show = (value: unknown) =>
  [String(value), JSON.stringify(value), inspect(value, { depth: 12, showHidden: true })].join("\n")
