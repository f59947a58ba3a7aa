import { createHash, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import {
  InvalidOption,
  ReauthorizationRequired,
  TokenClient,
  type TokenClientOptions,
  TokenProvider,
  TokenSet,
  TokenSource
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Exit, Layer, Scope } from "effect"
import { type Received, type Reply, startServer } from "./server.js"

const fine = (received: Received): Reply => ({ body: `fine ${received.method}` })
const refusesFirst = (received: Received): Reply =>
  received.headers.authorization === "Bearer token-1" ? { status: 401, body: "no" } : fine(received)
const refusesAlways = (): Reply => ({ status: 401, body: "no" })

describe("the token", () => {
  holds(
    "P11: goes to the declared origins, whatever the input, and to no other",
    fine,
    async ({ client, origin, other, received }) => {
      await client.fetch(`${origin}/a`)
      await client.fetch(new URL(`${origin}/b`))
      await client.fetch(new Request(`${origin}/c`))
      await client.fetch(`${other.origin}/d`)
      await client.fetch(`${origin}/e`, { headers: { authorization: "Basic mine" } })
      assert.deepStrictEqual(sent(received), [...Array(3).fill("Bearer token-1"), "Basic mine"])
      assert.deepStrictEqual(sent(other.received), [undefined])
    }
  )

  holds("goes below `baseUrl`, which relative URLs are put after", fine, async ({ clientWith, origin, received }) => {
    const client = clientWith({ baseUrl: `${origin}/v2` })
    const response = await client.fetch("/a?b=1")
    assert.deepStrictEqual([response.url, response.redirected], [`${origin}/v2/a?b=1`, false])
    assert.deepStrictEqual([received[0]?.path, ...sent(received)], ["/v2/a?b=1", "Bearer token-1"])
  })

  holds("P7: is replaced after a 401, once", refusesFirst, async ({ client, origin, posts, received }) => {
    const response = await client.fetch(`${origin}/a`)
    assert.deepStrictEqual([response.status, await response.text()], [200, "fine GET"])
    assert.deepStrictEqual([sent(received), posts()], [["Bearer token-1", "Bearer token-2"], 2])
  })

  holds(
    "P7: that is always refused costs two requests and one refresh; the last answer tells why",
    () => ({ status: 401, body: "no" }),
    async ({ client, origin, posts, received }) => {
      const response = await client.fetch(`${origin}/a`)
      assert.deepStrictEqual([response.status, await response.text()], [401, "no"])
      assert.strictEqual(TokenClient.refusal(response)?._tag, "RetriesSpent")
      assert.deepStrictEqual([received.length, posts()], [2, 2])
    }
  )

  holds(
    "is refused by a body too, which can still be read",
    ({ headers }) => ({
      body: JSON.stringify({ error: headers.authorization === "Bearer token-1", pad: "x".repeat(40_000) })
    }),
    async ({ clientWith, origin, received }) => {
      const client = clientWith({ origins: [origin], rejected: ({ body }) => body().startsWith('{"error":true') })
      const response = await client.fetch(`${origin}/a`)
      assert.deepStrictEqual([response.status, response.url, response.ok], [200, `${origin}/a`, true])
      assert.strictEqual((await response.json()).pad.length, 40_000)
      assert.strictEqual(received.length, 2)
    }
  )
})

describe("a request", () => {
  const bytes = randomBytes(500_000)
  const form = () => {
    const data = new FormData()
    data.set("file", new Blob([bytes]), "a.bin")
    return data
  }
  const cases: Readonly<Record<string, (url: string) => readonly [RequestInfo | URL, RequestInit?]>> = {
    "with text": (url) => [url, { method: "POST", body: "héllo" }],
    "with bytes": (url) => [url, { method: "put", body: bytes }],
    "with URL parameters": (url) => [url, { method: "POST", body: new URLSearchParams({ a: "1 +" }) }],
    "with a blob": (url) => [url, { method: "POST", body: new Blob(["x"], { type: "text/x" }) }],
    "with a form": (url) => [url, { method: "POST", body: form() }],
    "with a method of its own": (url) => [url, { method: "PROPFIND", headers: { "x-a": "1" } }],
    "that is a Request with text": (url) => [new Request(url, { method: "POST", body: "x", headers: { "x-a": "1" } })],
    "that is a Request with bytes": (url) => [new Request(url, { method: "PATCH", body: bytes })],
    "that is a Request with a form": (url) => [new Request(url, { method: "POST", body: form() })],
    "that is a Request with a stream": (url) => [
      new Request(url, Object.assign({ method: "POST", body: new Blob([bytes]).stream() }, { duplex: "half" }))
    ],
    "that is a Request, with options that go before it": (url) => [
      new Request(url, { method: "POST", body: "x", headers: { "x-a": "1" } }),
      { method: "PUT", body: "y", headers: { "x-b": "1" } }
    ]
  }
  for (const [what, make] of Object.entries(cases)) {
    holds(
      `P7: ${what} arrives as fetch sends it, both times`,
      refusesFirst,
      async ({ client, origin, other, received }) => {
        await fetch(...make(`${other.origin}/a?b#c`))
        const response = await client.fetch(...make(`${origin}/a?b#c`))
        assert.strictEqual(response.status, 200)
        const [plain] = other.received.map(digest)
        assert.deepStrictEqual(received.map(digest), [plain, plain])
      }
    )
  }

  holds(
    "P7: with a stream is sent once: the token is renewed, and the 401 tells why",
    refusesFirst,
    async ({ client, origin, posts, received }) => {
      const init = Object.assign({ method: "POST", body: new Blob([bytes]).stream() }, { duplex: "half" })
      const response = await client.fetch(`${origin}/a`, init)
      assert.deepStrictEqual([response.status, await response.text()], [401, "no"])
      assert.strictEqual(TokenClient.refusal(response)?._tag, "BodyNotReplayable")
      assert.deepStrictEqual([received.length, posts()], [1, 2])
      assert.isTrue(received[0]?.body.equals(bytes))
    }
  )

  holds(
    "that cannot be made fails as fetch does, and one that fails gives what fetch threw",
    fine,
    async ({ client, origin }) => {
      const calls: ReadonlyArray<() => Parameters<typeof fetch>> = [
        () => [`${origin}/a`, { headers: { "bad name": "x" } }],
        () => [`${origin}/a`, { method: "GET", body: "x" }],
        () => ["not a url"],
        () => ["http://127.0.0.1:1/"]
      ]
      for (const make of calls) {
        const mine = await caught(client.fetch(...make()))
        const theirs = await caught(fetch(...make()))
        assert.instanceOf(mine, TypeError)
        assert.strictEqual(mine.message, theirs instanceof Error ? theirs.message : "")
      }
    }
  )
})

describe("a redirect", () => {
  const redirecting = ({ headers, method, path }: Received): Reply => {
    const to = /^\/to\/(\d+)\?(.*)$/.exec(path)
    if (to !== null) return { status: Number(to[1]), headers: { location: to[2] ?? "" } }
    return headers.authorization === undefined ? { status: 401, body: "who?" } : { body: method }
  }

  holds(
    "P11: carries no token to a foreign origin, whose 401 costs no refresh",
    redirecting,
    async ({ client, origin, other, posts }) => {
      const response = await client.fetch(`${origin}/to/302?${other.origin}/x`)
      assert.deepStrictEqual([response.status, response.url, response.redirected], [401, `${other.origin}/x`, true])
      assert.deepStrictEqual([sent(other.received), posts()], [[undefined], 1])
    }
  )

  holds("P11: nor a token in a header of its own", redirecting, async ({ clientWith, origin, other }) => {
    await clientWith({ origins: [origin], header: "X-Token" }).fetch(`${origin}/to/307?${other.origin}/x`)
    assert.strictEqual(other.received[0]?.headers["x-token"], undefined)
  })

  holds(
    "carries it within the origin, and ends as fetch ends it",
    redirecting,
    async ({ client, origin, received }) => {
      const response = await client.fetch(new Request(`${origin}/to/307?/to/302?/x`, { method: "POST", body: "body" }))
      assert.deepStrictEqual([await response.text(), response.url, response.redirected], ["GET", `${origin}/x`, true])
      assert.deepStrictEqual(sent(received), Array(3).fill("Bearer token-1"))
      assert.deepStrictEqual(
        received.map(({ body }) => body.toString()),
        ["body", "body", ""]
      )
    }
  )

  holds('is left alone with "manual", and fails with "error"', redirecting, async ({ client, origin, received }) => {
    const response = await client.fetch(`${origin}/to/302?/x`, { redirect: "manual" })
    assert.deepStrictEqual([response.status, response.headers.get("location")], [302, "/x"])
    const request = new Request(`${origin}/to/302?/x`, { redirect: "error" })
    assert.instanceOf(await caught(client.fetch(request)), TypeError)
    assert.strictEqual(received.length, 2)
  })
})

const redirects = ({ path }: Received): Reply => ({ status: 307, headers: { location: path.split("?")[1] ?? "" } })

holds(
  "an option that is undefined leaves the Request's own",
  redirects,
  async ({ client, origin, other, received }) => {
    const request = new Request(`${origin}/to?${other.origin}/x`, { redirect: "manual", cache: "no-store" })
    const nothing = { redirect: undefined, cache: undefined, headers: undefined } as unknown as RequestInit
    const response = await client.fetch(request, nothing)
    assert.deepStrictEqual([response.status, other.received.length, received.length], [307, 0, 1])
  }
)

holds(
  "P11: a redirect to a login page can be a rejection: it is seen before it is followed, and the page sees no token",
  ({ headers, path }) =>
    path === "/a" && headers.authorization === "Bearer token-1"
      ? { status: 302, headers: { location: "/login" } }
      : { body: "fine" },
  async ({ clientWith, origin, posts, received }) => {
    const rejected: TokenClientOptions["rejected"] = ({ headers, status }) =>
      status === 302 && headers.location?.includes("/login") === true
    const response = await clientWith({ origins: [origin], rejected }).fetch(`${origin}/a`)
    assert.deepStrictEqual([response.status, await response.text(), posts()], [200, "fine", 2])
    assert.deepStrictEqual(
      received.map(({ path }) => path),
      ["/a", "/a"]
    )
  }
)

holds("a clone tells what the response tells", refusesAlways, async ({ clientWith, origin }) => {
  const client = clientWith({ origins: [origin], rejected: ({ body }) => body() === "no" })
  const response = await client.fetch(`${origin}/a`)
  for (const copy of [response.clone(), response.clone().clone()]) {
    assert.deepStrictEqual([copy.url, copy.redirected, copy.status], [`${origin}/a`, false, 401])
    assert.strictEqual(TokenClient.refusal(copy)?._tag, "RetriesSpent")
    assert.strictEqual(await copy.text(), "no")
  }
  assert.strictEqual(await response.text(), "no")
})

describe("an AbortSignal", () => {
  const never = (received: Received): Reply => (received.path === "/hang" ? { hang: true } : { body: "x", open: true })

  holds("that is aborted already sends nothing", never, async ({ client, origin, received }) => {
    const reason = new Error("mine")
    assert.strictEqual(await caught(client.fetch(`${origin}/a`, { signal: AbortSignal.abort(reason) })), reason)
    assert.strictEqual(received.length, 0)
  })

  holds(
    "ends a request that waits for its answer, with its reason",
    never,
    async ({ client, origin, received, server }) => {
      for (const input of ["init", "Request"]) {
        const controller = new AbortController()
        const { signal } = controller
        const url = `${origin}/hang`
        const failed = caught(
          input === "init" ? client.fetch(url, { signal }) : client.fetch(new Request(url, { signal }))
        )
        const before = received.length
        await until(() => received.length > before)
        const reason = new Error("mine")
        controller.abort(reason)
        assert.strictEqual(await failed, reason)
        await until(() => server.held() === 0)
      }
    }
  )

  holds("ends a body that is still coming", never, async ({ client, origin, server }) => {
    const controller = new AbortController()
    const response = await client.fetch(`${origin}/open`, { signal: controller.signal })
    const failed = caught(response.text())
    controller.abort()
    assert.propertyVal(await failed, "name", "AbortError")
    await until(() => server.held() === 0)
  })

  holds("ends a body that a predicate looked at, with its reason", never, async ({ clientWith, origin, server }) => {
    const client = clientWith({ origins: [origin], rejected: ({ body }) => body() === "no" })
    const controller = new AbortController()
    const response = await client.fetch(`${origin}/open`, { signal: controller.signal })
    const failed = caught(response.text())
    const reason = new Error("mine")
    controller.abort(reason)
    assert.strictEqual(await failed, reason)
    await until(() => server.held() === 0)
  })

  holds(
    "of a Request holds beside a signal that is undefined, and not beside one that is null",
    fine,
    async (world) => {
      const { client, origin, received } = world
      const reason = new Error("mine")
      const request = () => new Request(`${origin}/a`, { signal: AbortSignal.abort(reason) })
      assert.strictEqual(await caught(client.fetch(request(), { signal: undefined } as unknown as RequestInit)), reason)
      assert.strictEqual(received.length, 0)
      assert.strictEqual((await client.fetch(request(), { signal: null })).status, 200)
    }
  )

  it("ends the wait for a token, and the refresh goes on for others", async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const login = Effect.promise(() => gate.then(() => TokenSet.make({ accessToken: "a", expiresIn: "1 hour" })))
    const layer = TokenProvider.layer({ key: "k", source: TokenSource.make({ login }) })
    const client = TokenClient.make(Layer.provide(layer, MemoryTokenStore.layer), { origins: ["http://127.0.0.1:1"] })
    const reason = new Error("mine")
    const signal = AbortSignal.timeout(20)
    const failed = await caught(client.fetch("http://127.0.0.1:1", { signal }))
    assert.strictEqual(failed, signal.reason)
    assert.notStrictEqual(failed, reason)
    const waiting = client.get()
    release()
    assert.strictEqual((await waiting).type, "Bearer")
    await client.dispose()
  })
})

describe("what goes wrong", () => {
  holds("with the token is the TokenError itself", fine, async ({ clientOf, origin, received }) => {
    const source = TokenSource.make({ refresh: () => Effect.never })
    const client = clientOf(TokenProvider.layer({ key: "empty", source }))
    const error = await caught(client.fetch(`${origin}/a`))
    assert.instanceOf(error, ReauthorizationRequired)
    assert.deepStrictEqual([error.reason, received.length], ["absent", 0])
  })

  holds("with the options is an InvalidOption, and get works without them", fine, async ({ clientWith, origin }) => {
    const client = clientWith({})
    const error = await caught(client.fetch(`${origin}/a`))
    assert.instanceOf(error, InvalidOption)
    assert.strictEqual(error.option, "origins")
    assert.strictEqual((await client.get()).generation, (await client.get()).generation)
    assert.throws(() => clientWith({ baseUrl: "nowhere" }), InvalidOption, /"baseUrl"/)
  })
})

it("fetch is made of the one that is given", async () => {
  const asked: Array<string | null> = []
  const client = TokenClient.make(layerOf({ posts: 0 }), {
    origins: ["https://api.example.com"],
    fetch: async (url, init) => {
      asked.push(`${url}`, new Headers(init?.headers).get("authorization"))
      return new Response("mine")
    }
  })
  assert.strictEqual(await (await client.fetch("https://api.example.com/a")).text(), "mine")
  assert.deepStrictEqual(asked, ["https://api.example.com/a", "Bearer token-1"])
  await client.dispose()
})

interface World {
  readonly client: TokenClient
  readonly clientWith: (options: TokenClientOptions) => TokenClient
  readonly clientOf: (layer: ReturnType<typeof TokenProvider.layer<never, never>>) => TokenClient
  readonly origin: string
  readonly received: ReadonlyArray<Received>
  readonly posts: () => number
  readonly server: Effect.Effect.Success<ReturnType<typeof startServer>>
  readonly other: Effect.Effect.Success<ReturnType<typeof startServer>>
}

function holds(title: string, reply: (received: Received) => Reply, test: (world: World) => Promise<void>) {
  it.each([title, `${title}, with a token at hand`])("%s", async (name) => {
    const scope = Effect.runSync(Scope.make())
    const start = () => Effect.runPromise(Scope.extend(startServer(reply), scope))
    const [server, other] = [await start(), await start()]
    const { origin, received } = server
    const count = { posts: 0 }
    const clients: Array<TokenClient> = []
    const add = (client: TokenClient) => {
      clients.push(client)
      // The first attempt with a token at hand is made in a shorter way than one that has to wait for it.
      const fetch: TokenClient["fetch"] = (...call) =>
        client.get().then(
          () => client.fetch(...call),
          () => client.fetch(...call)
        )
      return name === title ? client : { ...client, fetch }
    }
    const clientWith = (options: TokenClientOptions) => add(TokenClient.make(layerOf(count), options))
    const clientOf: World["clientOf"] = (layer) =>
      add(TokenClient.make(Layer.provide(layer, MemoryTokenStore.layer), { origins: [origin] }))
    const client = clientWith({ origins: [origin] })
    await test({ client, clientWith, clientOf, origin, received, posts: () => count.posts, server, other })
    await Promise.all(clients.map((client) => client.dispose()))
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })
}

function layerOf(count: { posts: number }) {
  const login = Effect.sync(() => TokenSet.make({ accessToken: `token-${++count.posts}`, expiresIn: "1 hour" }))
  return Layer.provide(TokenProvider.layer({ key: "k", source: TokenSource.make({ login }) }), MemoryTokenStore.layer)
}

const sent = (received: ReadonlyArray<Received>) => received.map(({ headers }) => headers.authorization)

/** All that a server sees of a request, but for its host, the token, and the boundaries of a form. */
const digest = ({ body, headers, method, path }: Received) => {
  const { authorization: _, connection: __, host: ___, ...others } = headers
  const boundary = /boundary=(.*)$/.exec(headers["content-type"] ?? "")?.[1] ?? "-"
  const text = body.toString("latin1").replaceAll(boundary, "-")
  const digest = createHash("sha256").update(text, "latin1").digest("hex")
  return {
    digest,
    headers: { ...others, "content-type": others["content-type"]?.replace(boundary, "-") },
    method,
    path
  }
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("did not reject"),
    (error) => error
  )

const until = async (holds: () => boolean) => {
  do await new Promise((resolve) => setTimeout(resolve, 5))
  while (!holds())
}
