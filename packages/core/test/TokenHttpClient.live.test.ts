import { createHash, randomBytes } from "node:crypto"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, UrlParams } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { TokenHttpClient, type TokenHttpClientOptions, type TokenSetOptions } from "@evertoken/core"
import { Effect, Layer, Option, Redacted, Schedule, type Scope, Stream } from "effect"
import { exportJWK, generateKeyPair } from "jose"
import { fakeProvider } from "./api.js"
import { type Received, startServer } from "./server.js"

const clients = {
  fetch: FetchHttpClient.layer,
  "node:http": NodeHttpClient.layer,
  undici: NodeHttpClient.layerUndici
}
const following = HttpClient.followRedirects(5)
const compositions: Readonly<
  Record<string, { inner?: (client: HttpClient.HttpClient) => HttpClient.HttpClient; outer?: typeof following }>
> = {
  "followRedirects around it": { outer: following },
  "followRedirects below it": { inner: following },
  "followRedirects on both sides": { inner: following, outer: following },
  "what fetch does": {}
}

/** Two servers; the API sends each path to where it says: `/to/<n>?<url>` answers with status n. */
const world = Effect.gen(function* () {
  const reply = ({ headers, path }: { headers: object; path: string }) => {
    if (path === "/loop") return { status: 302, headers: { location: "/loop" } }
    const redirect = /^\/to\/(\d+)\?(.*)$/.exec(path)
    if (redirect !== null) return { status: Number(redirect[1]), headers: { location: redirect[2] ?? "" } }
    return "authorization" in headers || "x-token" in headers ? { body: "fine" } : { status: 401, body: "who?" }
  }
  return { api: yield* startServer(reply), foreign: yield* startServer(reply), second: yield* startServer(reply) }
})

const tokens = (received: ReadonlyArray<{ headers: NodeJS.Dict<string | Array<string>> }>) =>
  received.map(({ headers }) => headers.authorization ?? headers["x-token"])

for (const [name, layer] of Object.entries(clients)) {
  for (const [composition, { inner, outer }] of Object.entries(compositions)) {
    if (composition === "what fetch does" && name !== "fetch") continue
    const connect = (
      options: Omit<TokenHttpClientOptions, "provider">,
      set: (count: number) => Partial<TokenSetOptions> = () => ({})
    ) =>
      Effect.gen(function* () {
        const fake = yield* fakeProvider(set)
        const base = yield* HttpClient.HttpClient
        const http = yield* TokenHttpClient.make({ ...options, provider: Effect.succeed(fake.provider) }).pipe(
          Effect.provideService(HttpClient.HttpClient, inner === undefined ? base : inner(base))
        )
        return { http: outer === undefined ? http : outer(http), posts: fake.posts }
      })
    const holds = (title: string, test: Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>) =>
      it.scopedLive(title, () => Effect.provide(test, layer))

    describe(`redirects over ${name}, with ${composition}`, () => {
      holds(
        "P11: carry no token to a foreign origin, and its 401 costs no refresh",
        Effect.gen(function* () {
          const { api, foreign } = yield* world
          const { http, posts } = yield* connect({ origins: [api.origin] })
          const response = yield* http.get(`${api.origin}/to/302?${foreign.origin}/x`)
          assert.deepStrictEqual([response.status, yield* response.text], [401, "who?"])
          assert.deepStrictEqual([tokens(api.received), tokens(foreign.received)], [["Bearer token-1"], [undefined]])
          assert.strictEqual(posts(), 1)
        })
      )

      holds(
        "P11: carry no token in a header of its own either",
        Effect.gen(function* () {
          const { api, foreign } = yield* world
          const { http } = yield* connect({ origins: [api.origin], header: "X-Token" })
          yield* http.get(`${api.origin}/to/307?${foreign.origin}/x`)
          assert.deepStrictEqual([tokens(api.received), tokens(foreign.received)], [["token-1"], [undefined]])
        })
      )

      holds(
        "P11: carry no proof to a foreign origin",
        Effect.gen(function* () {
          const { api, foreign } = yield* world
          const { privateKey } = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
          const proofKey = Redacted.make(JSON.stringify(yield* Effect.promise(() => exportJWK(privateKey))))
          const { http } = yield* connect({ origins: [api.origin] }, () => ({ tokenType: "DPoP", proofKey }))
          yield* http.get(`${api.origin}/to/302?${foreign.origin}/x`)
          assert.isString(api.received[0]?.headers.dpop)
          assert.deepStrictEqual(
            [foreign.received[0]?.headers.dpop, tokens(foreign.received)],
            [undefined, [undefined]]
          )
        })
      )

      holds(
        "carry it within an origin, and to another that is declared",
        Effect.gen(function* () {
          const { api, second } = yield* world
          const { http } = yield* connect({ origins: [api.origin, second.origin] })
          const response = yield* http.get(`${api.origin}/to/301?/to/302?${second.origin}/x`)
          assert.strictEqual(yield* response.text, "fine")
          assert.deepStrictEqual(tokens([...api.received, ...second.received]), Array(3).fill("Bearer token-1"))
        })
      )
    })
  }
}

for (const [name, layer] of Object.entries(clients)) {
  describe(`bodies over ${name}`, () => {
    const bytes = randomBytes(1_000_000)
    const form = new FormData()
    form.set("file", new Blob([bytes]), "file.bin")
    const stream = Stream.fromIterable([bytes.subarray(0, 333_333), bytes.subarray(333_333)])
    const bodies: Readonly<Record<string, HttpBody.HttpBody>> = {
      bytes: HttpBody.uint8Array(bytes),
      text: HttpBody.text("héllo ☃"),
      JSON: HttpBody.unsafeJson({ a: ["☃"] }),
      "URL parameters": HttpBody.urlParams(UrlParams.fromInput({ a: "1 +&" })),
      "a stream that can be run again": HttpBody.stream(stream, "application/octet-stream", bytes.length),
      ...(name === "fetch" ? { "a form": HttpBody.formData(form) } : {})
    }
    const refuseFirst = () =>
      startServer(({ headers }) =>
        headers.authorization === "Bearer token-1" ? { status: 401, body: "x".repeat(100_000) } : { body: "fine" }
      )

    for (const [kind, body] of Object.entries(bodies)) {
      it.scopedLive(`P7: ${kind} arrive the second time as they did the first`, () =>
        Effect.gen(function* () {
          const api = yield* refuseFirst()
          const { provider } = yield* fakeProvider()
          const http = yield* TokenHttpClient.make({ origins: [api.origin], provider: Effect.succeed(provider) })
          const request = HttpClientRequest.post(`${api.origin}/a`).pipe(
            HttpClientRequest.setBody(body),
            TokenHttpClient.replayable
          )
          const response = yield* http.execute(request)
          assert.strictEqual(yield* response.text, "fine")
          const [first, second] = api.received.map(({ body, headers }) => {
            // A form has other boundaries each time, and nothing else that differs.
            const boundary = /boundary=(.*)$/.exec(headers["content-type"] ?? "")?.[1]
            const text = boundary === undefined ? body : Buffer.from(body.toString("latin1").replaceAll(boundary, "-"))
            return [createHash("sha256").update(text).digest("hex"), body.length, headers["content-length"]]
          })
          assert.strictEqual(api.received.length, 2)
          assert.deepStrictEqual(second, first)
          if (body._tag === "Uint8Array") assert.isTrue(api.received[1]?.body.equals(body.body))
        }).pipe(Effect.provide(layer))
      )
    }

    it.scopedLive("P7: a stream that runs once arrives once, whole", () =>
      Effect.gen(function* () {
        const api = yield* refuseFirst()
        const { provider } = yield* fakeProvider()
        const http = yield* TokenHttpClient.make({ origins: [api.origin], provider: Effect.succeed(provider) })
        const body = HttpBody.stream(Stream.fromReadableStream(() => new Blob([bytes]).stream(), String))
        const request = HttpClientRequest.post(`${api.origin}/a`).pipe(HttpClientRequest.setBody(body))
        const response = yield* http.execute(request)
        assert.deepStrictEqual([response.status, (yield* response.text).length], [401, 100_000])
        assert.propertyVal(TokenHttpClient.refusal(response), "_tag", "BodyNotReplayable")
        assert.strictEqual(api.received.length, 1)
        assert.isTrue(api.received[0]?.body.equals(bytes))
      }).pipe(Effect.provide(layer))
    )

    it.scopedLive("answers that were refused hold no connection, however they go on", () =>
      Effect.gen(function* () {
        const api = yield* startServer(({ headers }) =>
          headers.authorization === "Bearer token-1" ? { status: 401, body: "x", open: true } : { body: "fine" }
        )
        const { provider } = yield* fakeProvider()
        const http = yield* TokenHttpClient.make({ origins: [api.origin], provider: Effect.succeed(provider) })
        const get = Effect.flatMap(http.get(`${api.origin}/a`), (response) => response.text)
        yield* Effect.all([get, get, get, get, get], { concurrency: "unbounded" })
        const held = Effect.sync(api.held)
        yield* Effect.repeat(held, { until: (count) => count === 0, schedule: Schedule.spaced("50 millis") })
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("fetch below", () => {
  const over = (
    init: RequestInit,
    test: (world: {
      readonly http: TokenHttpClient
      readonly api: string
      readonly foreign: string
      readonly calls: ReadonlyArray<RequestInit>
      readonly received: ReadonlyArray<Received>
    }) => Effect.Effect<void, unknown>
  ): Effect.Effect<void, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const { api, foreign } = yield* world
      const calls: Array<RequestInit> = []
      const layer = FetchHttpClient.layer.pipe(
        Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, init)),
        Layer.provide(
          Layer.succeed(FetchHttpClient.Fetch, (url: RequestInfo | URL, init?: RequestInit) => {
            calls.push(init ?? {})
            return fetch(url, init)
          })
        )
      )
      const { provider } = yield* fakeProvider()
      const http = yield* TokenHttpClient.make({ origins: [api.origin], provider: Effect.succeed(provider) }).pipe(
        Effect.provide(layer)
      )
      const { received } = api
      yield* test({ http, api: api.origin, foreign: foreign.origin, calls, received })
    })

  it.scopedLive("keeps the options that its layer was given, and leaves none behind", () =>
    over({ credentials: "include", headers: { "x-layer": "1" } }, ({ api, calls, http, received }) =>
      Effect.gen(function* () {
        yield* http.get(`${api}/a`)
        assert.strictEqual(calls[0]?.credentials, "include")
        assert.strictEqual(received[0]?.headers["x-layer"], "1")
        assert.isTrue(Option.isNone(yield* Effect.serviceOption(FetchHttpClient.RequestInit)))
      })
    )
  )

  it.scopedLive("is asked for a redirect itself where it is told to give it", () =>
    over({ redirect: "manual" }, ({ api, http }) =>
      Effect.gen(function* () {
        const response = yield* http.get(`${api}/to/302?/x`)
        assert.deepStrictEqual([response.status, response.headers.location], [302, "/x"])
      })
    )
  )

  it.scopedLive("fails at a redirect where it is told to", () =>
    over({ redirect: "error" }, ({ api, http, received }) =>
      Effect.gen(function* () {
        assert.propertyVal(yield* Effect.flip(http.get(`${api}/to/302?/x`)), "_tag", "RequestError")
        assert.strictEqual(received.length, 1)
      })
    )
  )

  it.scopedLive("has its redirects made as it makes them: method, body, headers, and twenty at most", () =>
    over({}, ({ api, foreign, http, received }) =>
      Effect.gen(function* () {
        const post = (path: string) =>
          http.post(`${api}${path}`, { body: HttpBody.text("body"), headers: { cookie: "a=1", "x-mine": "1" } })
        for (const status of [301, 302, 303, 307, 308]) yield* post(`/to/${status}?/x`)
        const seen = received
          .filter(({ path }) => path === "/x")
          .map(({ body, headers, method }) => [method, body.toString(), headers["content-type"], headers["x-mine"]])
        const get = ["GET", "", undefined, "1"]
        const again = ["POST", "body", "text/plain", "1"]
        assert.deepStrictEqual(seen, [get, get, get, again, again])
        assert.strictEqual(
          yield* Effect.flatMap(http.head(`${api}/to/303?/x`), ({ request }) => Effect.succeed(request.method)),
          "HEAD"
        )
        const away = yield* post(`/to/307?${foreign}/x`)
        assert.strictEqual(away.request.headers.cookie, undefined)
        yield* http.get(`${api}/to/302?/q?a=%20+&b`)
        assert.strictEqual(received.at(-1)?.path, "/q?a=%20+&b")
        const before = received.length
        assert.propertyVal(yield* Effect.flip(http.get(`${api}/loop`)), "_tag", "RequestError")
        assert.strictEqual(received.length - before, 21)
      })
    )
  )
})
