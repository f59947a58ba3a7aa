import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Authority, clients, refuse, unavailable } from "@evertoken/authority"
import { type AccessToken, TokenEvent, TokenProvider } from "@evertoken/core"
import { ConfigProvider, Effect, Exit, Fiber, Queue, Random, Redacted, type Scope, Stream, TestClock } from "effect"
import { type Received, type Reply, startServer } from "../../packages/core/test/server.js"
import { startApi } from "../demo/Api.js"
import { orders, Shop, start } from "../error-in-the-body.js"
import { type Action, loadEpic, loggedIn, logoutEpic, run, Session } from "../many-streams-one-logout.js"
import { TokenServer, token } from "../renew-ahead.js"
import { Service, worker } from "../shared-table.js"

describe("an error in the body (a Ruby proc)", () => {
  for (const [title, refused] of [
    ["a body that says ERROR with 200", { body: "ERROR session expired" }],
    ["a 403", { status: 403, body: "Forbidden" }],
    ["a 401", { status: 401, body: "Unauthorized" }]
  ] as const) {
    it.scopedLive(`${title} costs one refresh, and the call is made once more`, () =>
      Effect.gen(function* () {
        const shop = yield* startServer((request) =>
          request.path === "/token"
            ? json({ access_token: "at2", refresh_token: "rt2" })
            : bearer(request) === "at2"
              ? { body: "two orders" }
              : refused
        )
        yield* Effect.gen(function* () {
          yield* start("at1", "rt1")
          assert.strictEqual(yield* orders, "two orders")
          assert.strictEqual(yield* orders, "two orders")
        }).pipe(Effect.provide(Shop), configured({ SHOP_URL: shop.origin }))
        assert.deepStrictEqual(shop.received.map(lineOf), [
          "GET /orders at1",
          "POST /token grant_type=refresh_token&refresh_token=rt1",
          "GET /orders at2",
          "GET /orders at2"
        ])
      })
    )
  }

  it.scopedLive("a shop that says ERROR to a fresh token too is asked twice, and the caller told why", () =>
    Effect.gen(function* () {
      const shop = yield* startServer(({ path }) =>
        path === "/token" ? json({ access_token: "at2" }) : { body: "ERROR no such account" }
      )
      const error = yield* Effect.zipRight(start("at1", "rt1"), Effect.flip(orders)).pipe(
        Effect.provide(Shop),
        configured({ SHOP_URL: shop.origin })
      )
      assert.strictEqual(error._tag, "RetriesSpent")
      assert.deepStrictEqual(shop.received.map(lineOf), [
        "GET /orders at1",
        "POST /token grant_type=refresh_token&refresh_token=rt1",
        "GET /orders at2"
      ])
    })
  )

  it.scopedLive("a token endpoint that says ERROR with 200 is believed, and not asked again", () =>
    Effect.gen(function* () {
      const shop = yield* startServer(({ path }) =>
        path === "/token" ? { body: "ERROR refresh token expired" } : { status: 401 }
      )
      yield* Effect.gen(function* () {
        yield* start("at1", "rt1")
        for (let call = 0; call < 3; call++) {
          assert.deepInclude(yield* Effect.flip(orders), {
            _tag: "ReauthorizationRequired",
            reason: "refused",
            code: "ERROR"
          })
        }
      }).pipe(Effect.provide(Shop), configured({ SHOP_URL: shop.origin }))
      assert.deepStrictEqual(
        shop.received.map(({ path }) => path),
        ["/orders", "/token"]
      )
    })
  )
})

describe("renewing ahead (an Elixir GenServer)", () => {
  /** The authority is real, the clock is not: an hour takes no time. Chance is out of it, so renewals are not spread. */
  const world = Effect.gen(function* () {
    const authority = yield* Authority.make({ lifetime: "1 hour" })
    const configuration = configured({
      TOKEN_URL: authority.tokenEndpoint,
      CLIENT_ID: clients.billing.clientId,
      CLIENT_SECRET: Redacted.value(clients.billing.clientSecret)
    })
    const settings = <A, E, R>(work: Effect.Effect<A, E, R>) =>
      Effect.withRandom(configuration(work), Random.fixed([1]))
    return {
      authority,
      settings,
      outcomes: Effect.map(authority.tokenRequests, (log) => log.map((one) => one.outcome))
    }
  })

  it.scoped("has a token before anybody asks, and a new one a minute before that ends", () =>
    Effect.gen(function* () {
      const { outcomes, settings } = yield* world
      yield* Effect.gen(function* () {
        const { changes } = yield* TokenProvider
        const first = yield* token
        assert.deepStrictEqual([first.obtainedAt, yield* outcomes], [0, ["ok"]])
        yield* TestClock.setTime(minutes(59))
        const newer = Stream.filter(changes, ({ generation }) => generation > first.generation)
        const second = yield* Effect.flatten(Stream.runHead(newer))
        assertEquals((yield* token).value, second.value)
        assert.deepStrictEqual([second.obtainedAt, yield* outcomes], [minutes(59), ["ok", "ok"]])
        assert.notStrictEqual(Redacted.value(first.value), Redacted.value(second.value))
      }).pipe(Effect.provide(TokenServer), settings)
    })
  )

  it.scoped("tries again every 5 seconds when that fails, and gives the old token meanwhile, but no ended one", () =>
    Effect.gen(function* () {
      const { authority, outcomes, settings } = yield* world
      yield* Effect.gen(function* () {
        const failed = yield* next("RefreshFailed")
        const first = yield* token
        yield* authority.break(unavailable)
        for (let at = minutes(59); at < minutes(60); at += 5_000) {
          yield* TestClock.setTime(at)
          assert.deepInclude(yield* failed, { error: "TokenEndpointError", served: true, retryAt: at + 5_000 })
          assertEquals((yield* token).value, first.value)
        }
        assert.deepStrictEqual(yield* outcomes, ["ok", ...Array.from({ length: 12 }, () => "unavailable")])

        yield* TestClock.setTime(minutes(60))
        assert.isFalse((yield* failed).served)
        const caller = yield* Effect.fork(Effect.flip(token))
        for (let waited = 0; waited < 30_000; waited += 5_000) {
          yield* TestClock.adjust("5 seconds")
          yield* failed
        }
        assert.deepInclude(yield* Fiber.join(caller), {
          _tag: "TokenEndpointError",
          reason: "unavailable",
          status: 503
        })

        yield* authority.heal
        const healed = yield* Effect.fork(token)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(healed)).obtainedAt, minutes(60) + 35_000)
        assert.strictEqual((yield* outcomes).length, 1 + 12 + 7 + 1)
      }).pipe(Effect.provide(TokenServer), settings)
    })
  )

  it.scoped("tries until it has its first token", () =>
    Effect.gen(function* () {
      const { authority, outcomes, settings } = yield* world
      yield* authority.break(unavailable)
      yield* Effect.gen(function* () {
        const failed = yield* next("RefreshFailed")
        for (let at = 0; at < 45_000; at += 5_000) {
          yield* TestClock.setTime(at)
          assert.deepInclude(yield* failed, { served: false, retryAt: at + 5_000 })
        }
        yield* authority.heal
        const caller = yield* Effect.fork(token)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(caller)).obtainedAt, 45_000)
        assert.strictEqual((yield* outcomes).length, 9 + 1)
      }).pipe(Effect.provide(TokenServer), settings)
    })
  )

  it.scopedLive("does so by the clock on the wall too", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "8 seconds" })
      const { clientId, clientSecret } = clients.billing
      yield* Effect.gen(function* () {
        const next = yield* tokens
        const first = yield* next
        const second = yield* next
        assert.isBelow(second.obtainedAt, first.expiresAt ?? 0)
        assert.strictEqual((yield* authority.tokenRequests).length, 2)
      }).pipe(
        Effect.provide(TokenServer),
        configured({
          TOKEN_URL: authority.tokenEndpoint,
          CLIENT_ID: clientId,
          CLIENT_SECRET: Redacted.value(clientSecret)
        })
      )
    })
  )
})

describe("many streams, one logout (a Redux-Observable epic)", () => {
  const paths = Array.from({ length: 20 }, (_, index) => `/items/${index}`)
  const loaded = paths.map(() => "LOADED 200")
  const failed = paths.map(() => "FAILED ReauthorizationRequired")

  /** A person who is logged in, an API that asks the authority about each token, and what was dispatched. */
  const app = (
    test: (app: {
      readonly authority: Authority["Type"]
      readonly load: Effect.Effect<ReadonlyArray<string>, unknown, TokenProvider>
      readonly logouts: Queue.Dequeue<Action>
      /** The access token that the API is shown now ends. */
      readonly end: Effect.Effect<unknown, unknown, TokenProvider>
      readonly posts: Effect.Effect<ReadonlyArray<string>>
    }) => Effect.Effect<void, unknown, TokenProvider>
  ) =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "1 hour" })
      const api = yield* Effect.provide(startApi(authority), FetchHttpClient.layer)
      const logouts = yield* Queue.unbounded<Action>()
      const load = Stream.runFold(loadEpic(paths), [] as string[], (all, action) => [...all, summary(action)])
      yield* Effect.gen(function* () {
        yield* Effect.forkScoped(Stream.runForEach(logoutEpic, (action) => Queue.offer(logouts, action)))
        yield* loggedIn(yield* authority.mint({ client: "native" }))
        yield* test({
          authority,
          load: Effect.provide(load, FetchHttpClient.layer),
          logouts,
          end: Effect.flatMap(TokenProvider, ({ get }) => Effect.flatMap(get, ({ value }) => authority.revoke(value))),
          posts: Effect.map(authority.tokenRequests, (log) => log.map(({ error, outcome }) => error ?? outcome))
        })
      }).pipe(Effect.provide(Session), configured({ TOKEN_URL: authority.tokenEndpoint, API_URL: api }))
    })

  it.scopedLive("20 requests that find the token ended cost one refresh, and all of them load", () =>
    app(({ end, load, logouts, posts }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* load, loaded)
        assert.deepStrictEqual(yield* posts, [])
        yield* end
        assert.deepStrictEqual(yield* load, loaded)
        assert.deepStrictEqual(yield* posts, ["ok"])
        assert.strictEqual(yield* Queue.size(logouts), 0)
      })
    )
  )

  it.scopedLive("the whole program loads, and ends when it is interrupted", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "1 hour" })
      const api = yield* Effect.provide(startApi(authority), FetchHttpClient.layer)
      const dispatched = yield* Queue.unbounded<Action>()
      const tokens = yield* authority.mint({ client: "native" })
      const program = yield* run(tokens, paths, (action) => dispatched.unsafeOffer(action)).pipe(
        configured({ TOKEN_URL: authority.tokenEndpoint, API_URL: api }),
        Effect.fork
      )
      assert.deepStrictEqual([...(yield* Queue.takeN(dispatched, paths.length))].map(summary), loaded)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(program)))
    })
  )

  it.scopedLive("a dead grant logs out once, after one refresh, and nothing is asked from then on", () =>
    app(({ authority, load, logouts, posts }) =>
      Effect.gen(function* () {
        const { refreshToken } = yield* authority.mint({ client: "native" })
        const session = yield* loggedIn({ accessToken: "ended", refreshToken })
        assert.isTrue(yield* authority.revokeGrant(refreshToken))
        assert.deepStrictEqual(yield* load, failed)
        assert.deepStrictEqual(yield* Queue.take(logouts), { type: "LOGGED_OUT", reason: "invalid_grant" })
        assert.deepStrictEqual(yield* load, failed)
        assert.deepStrictEqual(yield* posts, ["invalid_grant"])
        assert.strictEqual(yield* Queue.size(logouts), 0)

        const again = yield* loggedIn(yield* authority.mint({ client: "native" }))
        assert.isAbove(again.generation, session.generation)
        assert.deepStrictEqual(yield* load, loaded)
      })
    )
  )

  it.scopedLive("a refresh that is answered with 401 is no call of the API: no loop, one logout", () =>
    app(({ authority, end, load, logouts, posts }) =>
      Effect.gen(function* () {
        yield* authority.break(refuse(401))
        yield* end
        assert.deepStrictEqual(yield* load, failed)
        assert.deepStrictEqual(yield* Queue.take(logouts), { type: "LOGGED_OUT", reason: "HTTP 401" })
        assert.deepStrictEqual(yield* load, failed)
        assert.deepStrictEqual(yield* posts, ["unavailable"])
        assert.strictEqual(yield* Queue.size(logouts), 0)
      })
    )
  )

  it.scopedLive("a token endpoint that is down for a moment logs nobody out", () =>
    app(({ authority, end, load, logouts, posts }) =>
      Effect.gen(function* () {
        yield* authority.break(unavailable, 1)
        yield* end
        assert.deepStrictEqual(yield* load, loaded)
        assert.deepStrictEqual(yield* posts, ["unavailable", "ok"])
        assert.strictEqual(yield* Queue.size(logouts), 0)
      })
    )
  )
})

describe("a shared table (a Python worker, table and service)", () => {
  /** A backend whose n-th token lives as long as `lives` says, and a file; each `process` has the file open for itself. */
  const world = (answers: (request: Received, count: number) => Reply) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "evertoken-"))),
        (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
      )
      let count = 0
      const backend = yield* startServer((request) => answers(request, ++count))
      const file = join(folder, "tokens.db")
      const settings = configured({
        ROBOT_URL: backend.origin,
        ROBOT_PASSWORD: "a password",
        TOKEN_FILE: file,
        EVERTOKEN_KEYS: `2026-11=${Buffer.alloc(32, 7).toString("base64")}`
      })
      const process = <A, E>(work: Effect.Effect<A, E, TokenProvider | Scope.Scope>) =>
        settings(Effect.provide(Effect.scoped(work), Service))
      return { posts: () => backend.received.map(lineOf), process, worker: settings(worker), file }
    })

  const login = 'POST /login {"userName":"robot","password":"a password"}'
  const issue = (count: number, expiresIn: number): Reply => ({
    status: count === 1 ? 201 : 200,
    body: JSON.stringify({ accessToken: `at${count}`, refreshToken: `rt${count}`, expiresIn })
  })

  it.scopedLive("two processes log in once, by an answer of 201 in camelCase, and the table shows no token", () =>
    Effect.gen(function* () {
      const { file, posts, process } = yield* world((_, count) => issue(count, 3600))
      const ask = process(Effect.flatMap(TokenProvider, ({ get }) => get))
      for (const { value } of yield* Effect.all([ask, ask], { concurrency: 2 })) {
        assertEquals(value, Redacted.make("at1"))
      }
      assertEquals((yield* ask).value, Redacted.make("at1"))
      assert.deepStrictEqual(posts(), [login])
      const kept = yield* Effect.promise(() => readFile(file, "latin1"))
      assert.isTrue(kept.includes("robot"))
      for (const secret of ["at1", "rt1"]) assert.isFalse(kept.includes(`"${secret}"`))
    })
  )

  it.scopedLive("the worker renews what is due, and processes read the new token", () =>
    Effect.gen(function* () {
      const { posts, process, worker } = yield* world((_, count) => issue(count, count === 1 ? 2 : 3600))
      const ask = process(Effect.flatMap(TokenProvider, ({ get }) => get))
      assertEquals((yield* ask).value, Redacted.make("at1"))
      const summary = yield* Effect.repeat(Effect.delay(worker, "50 millis"), { until: ({ renewed }) => renewed > 0 })
      assert.deepInclude(summary, { renewed: 1, adopted: 0, failed: {} })
      assertEquals((yield* ask).value, Redacted.make("at2"))
      assert.deepInclude(yield* worker, { renewed: 0 })
      assert.deepStrictEqual(posts(), [login, 'POST /refresh {"refreshToken":"rt1"}'])
    })
  )

  it.scopedLive("both processes have the new token when one of them refreshed", () =>
    Effect.gen(function* () {
      const { posts, process } = yield* world((_, count) => issue(count, 3600))
      yield* process(
        Effect.gen(function* () {
          const reader = yield* tokens
          const writer = yield* TokenProvider
          yield* writer.get
          assertEquals((yield* reader).value, Redacted.make("at1"))
          const elsewhere = process(renew)
          assertEquals((yield* elsewhere).value, Redacted.make("at2"))
          assertEquals((yield* writer.refresh).value, Redacted.make("at2"))
          assertEquals((yield* reader).value, Redacted.make("at2"))
        })
      )
      assert.deepStrictEqual(posts(), [login, 'POST /refresh {"refreshToken":"rt1"}'])
    })
  )

  it.scopedLive("a refused refresh falls back to the login, once for both processes", () =>
    Effect.gen(function* () {
      const { posts, process } = yield* world(({ path }, count) =>
        path === "/refresh" ? { status: 401, body: '{"message":"Unauthorized"}' } : issue(count, 3600)
      )
      yield* process(Effect.flatMap(TokenProvider, ({ get }) => get))
      const both = yield* Effect.all(
        [1, 2].map(() => process(renew)),
        { concurrency: 2 }
      )
      for (const { value } of both) assertEquals(value, Redacted.make("at3"))
      assert.deepStrictEqual(posts(), [login, 'POST /refresh {"refreshToken":"rt1"}', login])
    })
  )

  it.scopedLive("a password that is refused too is tried once, by all processes and the worker together", () =>
    Effect.gen(function* () {
      const { posts, process, worker } = yield* world((_, count) =>
        count === 1 ? issue(1, 3600) : { status: 401, body: '{"message":"Unauthorized"}' }
      )
      yield* process(Effect.flatMap(TokenProvider, ({ get }) => get))
      for (let call = 0; call < 3; call++) {
        const error = yield* Effect.flip(process(renew))
        assert.deepInclude(error, { _tag: "ReauthorizationRequired", key: "robot", reason: "refused" })
      }
      yield* worker
      assert.deepStrictEqual(posts(), [login, 'POST /refresh {"refreshToken":"rt1"}', login])
    })
  )
})

const configured = (settings: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings))))

const json = (body: object): Reply => ({ body: JSON.stringify(body) })

const bearer = ({ headers }: Received) => headers.authorization?.replace("Bearer ", "")

/** A process that has a token and wants a newer one. */
const renew = Effect.flatMap(TokenProvider, ({ get, refresh }) => Effect.zipRight(get, refresh))

/** What a request asked, in a line. */
const lineOf = (request: Received) =>
  `${request.method} ${request.path} ${request.method === "GET" ? bearer(request) : request.body}`

const minutes = (count: number) => count * 60_000

const summary = (action: Action) =>
  action.type === "LOADED"
    ? `${action.type} ${action.status}`
    : `${action.type} ${action.type === "FAILED" ? action.error : ""}`

/** Gives the next token that the provider has each time it is run. */
const tokens = Effect.gen(function* () {
  const { changes } = yield* TokenProvider
  const queue = yield* Queue.unbounded<AccessToken>()
  yield* Effect.forkScoped(Stream.runForEach(changes, (token) => Queue.offer(queue, token)))
  return Queue.take(queue)
})

/** Gives the next event of a kind each time it is run. */
const next = <Tag extends TokenEvent["_tag"]>(tag: Tag) =>
  Effect.gen(function* () {
    const { events } = yield* TokenProvider
    const queue = yield* Queue.unbounded<Extract<TokenEvent, { readonly _tag: Tag }>>()
    const told = Stream.filter(events, TokenEvent.$is(tag))
    yield* Effect.forkScoped(Stream.runForEach(told, (event) => Queue.offer(queue, event)))
    yield* Effect.yieldNow()
    return Queue.take(queue)
  })
