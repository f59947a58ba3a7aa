/**
 * A process that works with one part of the SDK and counts what is left of it: `quiescence.ts NAME URL TIMES`. It prints a
 * line of JSON: how many objects of each kind there are after so many operations and a rest, and after four times as many.
 * Without a name it prints those of the parts.
 */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { PgClient } from "@effect/sql-pg"
import { RemoteTokenProvider } from "@evertoken/client"
import {
  OAuth2,
  SourceLimits,
  TokenClient,
  TokenHttpClient,
  TokenProvider,
  TokenProviders,
  TokenRejected,
  TokenSet,
  TokenSource,
  TokenStore,
  TokenWorker
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Redacted, type Scope, Stream } from "effect"
import { KINDS, objects } from "./objects.js"

const [name = "", url = "", times = "5000"] = process.argv.slice(2)

let served = 0
const fresh = () =>
  TokenSet.make({ accessToken: `a${++served}`, refreshToken: `r${served}`, expiresIn: "1 hour", extra: { n: served } })
const source = TokenSource.make({
  login: Effect.sync(fresh),
  refresh: () => Effect.sync(fresh)
})
const provider = TokenProvider.make({ key: "k", source })
const each = (times: number, operation: (at: number) => Effect.Effect<unknown, unknown>, concurrency = 1) =>
  Effect.forEach(Array.from({ length: times }), (_, at) => operation(at), { concurrency, discard: true })

/** An API that refuses each tenth request, and a token endpoint. */
let requests = 0
const network = HttpClient.make((request, { pathname }) => {
  const answer = () => {
    if (pathname.startsWith("/token")) return Response.json({ access_token: `t${++served}`, expires_in: 3_600 })
    if (pathname.startsWith("/v1/token"))
      return Response.json({
        ...{ key: "k", accessToken: `t${++served}`, tokenType: "Bearer", obtainedAt: Date.now(), scopes: [] },
        ...{ extra: {}, generation: served, expiresAt: Date.now() + 3_600_000 }
      })
    if (pathname.startsWith("/device")) return Response.json({ error: "authorization_pending" }, { status: 400 })
    return ++requests % 10 === 0
      ? new Response("no", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })
      : new Response("yes")
  }
  return Effect.map(Effect.sync(answer), (response) => HttpClientResponse.fromWeb(request, response))
})
const fetched: typeof globalThis.fetch = async () =>
  ++requests % 10 === 0 ? new Response("no", { status: 401 }) : new Response("yes")

/** How many keys a pool has at a time, of which each is asked for again and again. */
const KEYS = Math.min(1_250, Number(times) / 4)

type Work = (times: number) => Effect.Effect<unknown, unknown>
const parts: Readonly<Record<string, Effect.Effect<Work, unknown, TokenStore | Scope.Scope>>> = {
  "a provider that refreshes": Effect.map(
    provider,
    ({ refresh }) =>
      (times) =>
        each(times, () => refresh)
  ),

  "a provider that logs in and out, and whose tokens are refused": Effect.map(
    provider,
    (one) => (times) =>
      each(times, (at) => {
        if (at % 3 === 0) return one.put(fresh())
        if (at % 3 === 1) return Effect.zipRight(one.get, one.forget)
        let calls = 0
        // After five in a row nobody refreshes for a refused token for a while.
        return Effect.ignore(one.use(() => (++calls === 1 ? Effect.fail(new TokenRejected()) : Effect.void)))
      }).pipe(Effect.zipRight(one.forget)) // so that it ends alike, whatever came last
  ),

  "subscribers that come and go": Effect.map(
    provider,
    (one) => (times) =>
      each(
        times,
        (at) =>
          at % 2 === 0
            ? Effect.zipRight(one.get, Stream.runHead(one.changes))
            : Effect.flatMap(Effect.fork(Stream.runDrain(Stream.merge(one.changes, one.events))), (fiber) =>
                Effect.zipRight(Effect.yieldNow(), Fiber.interrupt(fiber))
              ),
        8
      )
  ),

  "a pool that lets go of idle keys": Effect.map(
    TokenProviders.make({ source: () => source, idle: "100 millis" }),
    (pool) => (times) =>
      Effect.gen(function* () {
        // The same keys come back: the store keeps a row for each that it ever had.
        for (let done = 0; done < times; done += KEYS) {
          yield* each(KEYS, (at) => pool.get(`k${at}`), 16)
          while ((yield* pool.size) > 0) yield* Effect.sleep("50 millis")
        }
      })
  ),

  "a worker beside a pool": Effect.gen(function* () {
    const keys = Array.from({ length: KEYS }, (_, at) => `k${at}`)
    const pool = yield* TokenProviders.make({ source: () => source })
    yield* TokenWorker.beside({ every: "20 millis", concurrency: 200 }).pipe(
      Effect.provideService(TokenProviders, pool)
    )
    const store = yield* TokenStore
    return (times) =>
      Effect.gen(function* () {
        for (let done = 0; done < times; done += keys.length) {
          const wanted = served + 2 * keys.length
          for (const key of keys) yield* store.put(key, fresh(), 0)
          while (served < wanted) yield* Effect.sleep("20 millis")
        }
      })
  }),

  "limits that some wait for in vain": Effect.gen(function* () {
    const limits = yield* SourceLimits.make({ concurrency: 2 })
    return (times) =>
      each(
        times,
        (at) =>
          at % 4 === 0
            ? Effect.flatMap(Effect.fork(limits.inTurn(Effect.sleep("1 second"), Effect.never)), (fiber) =>
                Effect.zipRight(Effect.yieldNow(), Fiber.interrupt(fiber))
              )
            : limits.inTurn(Effect.yieldNow(), Effect.never),
        8
      )
  }),

  "device polling that is given up": Effect.gen(function* () {
    const device = yield* OAuth2.deviceAuthorization({
      tokenEndpoint: "https://auth.example.com/device",
      deviceAuthorizationEndpoint: "https://auth.example.com/code",
      clientId: "app"
    }).pipe(Effect.provideService(HttpClient.HttpClient, network))
    const code = {
      ...{ userCode: "u", verificationUri: "https://auth.example.com", verificationUriComplete: undefined },
      ...{ expiresAt: Date.now() + 3_600_000, interval: "1 millis", deviceCode: Redacted.make("d") }
    }
    const waiting = Effect.suspend(() => device.wait(JSON.parse(JSON.stringify(code))))
    return (times) =>
      each(
        times,
        () =>
          Effect.flatMap(Effect.fork(waiting), (fiber) =>
            Effect.zipRight(Effect.sleep("1 millis"), Fiber.interrupt(fiber))
          ),
        50
      )
  }),

  TokenHttpClient: Effect.gen(function* () {
    const http = yield* TokenHttpClient.make({ origins: ["https://api.example.com"], provider }).pipe(
      Effect.provideService(HttpClient.HttpClient, network)
    )
    return (times) => each(times, () => Effect.flatMap(http.get("https://api.example.com/a"), ({ text }) => text))
  }),

  "the fetch of a TokenClient": Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        TokenClient.make({
          ...{ key: "k", source, store: MemoryTokenStore.layer },
          ...{ origins: ["https://api.example.com"], fetch: fetched }
        })
      ),
      (client) => Effect.promise(() => client.dispose())
    ),
    (client) => (times) =>
      each(times, (at) =>
        Effect.promise(async () => {
          const { signal } = new AbortController()
          const response = await client.fetch("https://api.example.com/a", at % 2 === 0 ? { signal } : {})
          await response.text()
          if (at % 5 === 0) client.subscribe(() => {})()
        })
      )
  ),

  // Four operations: made, asked twice and disposed.
  "clients made and disposed": Effect.succeed((times) =>
    each(times / 4, () =>
      Effect.promise(async () => {
        const client = TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer })
        await client.get()
        await client.header()
        await client.dispose()
      })
    )
  ),

  "a remote provider": Effect.gen(function* () {
    const remote = yield* RemoteTokenProvider.make({
      ...{ url: "https://tokens.example.com", key: "k", apiKey: Redacted.make("evk_x") }
    }).pipe(Effect.provideService(HttpClient.HttpClient, network))
    return (times) => each(times, () => remote.refresh)
  }),

  "a store on PostgreSQL with its feed": Effect.gen(function* () {
    const layer = Layer.provide(
      SqlTokenStore.layer({ encryption: "off", table: "quiet" }),
      PgClient.layer({ url: Redacted.make(url) })
    )
    const store = yield* Effect.provide(TokenStore, yield* Layer.build(layer))
    const pool = yield* TokenProviders.make({ source: () => source }).pipe(Effect.provideService(TokenStore, store))
    const one = yield* pool.of("k0")
    let heard = 0
    yield* Effect.forkScoped(Stream.runForEach(store.changes, () => Effect.sync(() => heard++)))
    return (times) =>
      Effect.gen(function* () {
        yield* each(times, (at) => (at % 10 === 0 ? one.refresh : store.load(`k${at % 10}`)), 8)
        yield* Stream.runHead(one.changes)
        yield* Effect.sleep("500 millis")
      })
  })
}

/** What there is once nothing goes on, or after half a minute: no less than `least` is waited for. */
const rest = Effect.fnUntraced(function* (least: Readonly<Record<string, number>> | undefined) {
  yield* Effect.sleep("1 second")
  for (let times = 0; ; times++) {
    globalThis.gc?.()
    yield* Effect.sleep("20 millis")
    const counts = objects()
    const isQuiet = KINDS.every((kind) => (counts[kind] ?? 0) <= (least?.[kind] ?? Number.POSITIVE_INFINITY))
    if (isQuiet || times === 30) return counts
    yield* Effect.sleep("1 second")
  }
})

const part = parts[name]
if (part === undefined) {
  console.log(JSON.stringify(Object.keys(parts)))
} else {
  const program = Effect.gen(function* () {
    const work = yield* part
    yield* work(Number(times))
    const before = yield* rest(undefined)
    yield* work(3 * Number(times))
    const after = yield* rest(before)
    return { before, after }
  })
  Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(MemoryTokenStore.layer))).then(
    (counted) => {
      console.log(JSON.stringify(counted))
      process.exit(0)
    },
    (error) => {
      console.error(error)
      process.exit(1)
    }
  )
}
