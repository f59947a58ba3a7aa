import { connect } from "node:net"
import { HttpServer } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { NoSource, TokenEvent, TokenProviders, TokenStore, TokenStoreError } from "@evertoken/core"
import { Clock, Context, Duration, Effect, Layer, Option, Redacted, Schedule, Stream } from "effect"
import * as Http from "../src/http/Http.js"
import * as Listener from "../src/http/Listener.js"
import { Pulse } from "../src/observability/Pulse.js"
import { caller, calling } from "./Service.js"

describe("the handlers", () => {
  it.scopedLive("/ready: 100 requests look into the database once a second at most, whoever hangs up", () =>
    Effect.gen(function* () {
      let looks = 0
      const began = yield* Clock.currentTimeMillis
      const { call, url } = yield* serve({
        load: () =>
          Effect.suspend(() => {
            looks++
            return Effect.as(Effect.sleep("100 millis"), Option.none())
          })
      })
      const hurried = Effect.promise(() => fetch(`${url}/ready`, { signal: AbortSignal.timeout(20) }).catch(() => {}))
      yield* Effect.all([hurried, hurried], { concurrency: "unbounded" })
      for (let round = 0; round < 4; round++) {
        const answers = yield* Effect.all(Effect.replicate(call("/ready"), 25), { concurrency: "unbounded" })
        for (const { json, status } of answers) assert.deepStrictEqual([status, json.status], [200, "ready"])
      }
      const seconds = ((yield* Clock.currentTimeMillis) - began) / 1_000
      assert.isAtMost(looks, 1 + Math.floor(seconds))
    })
  )

  it.scopedLive("/ready: 503 where the database does not answer", () =>
    Effect.gen(function* () {
      const { call } = yield* serve({ load: () => new TokenStoreError({ reason: "unreachable" }) })
      const { json, status } = yield* call("/ready")
      assert.deepStrictEqual([status, json._tag], [503, "Unavailable"])
    })
  )

  it.scopedLive("/health: 503, naming the part, where one stands still and only a restart mends it", () =>
    Effect.gen(function* () {
      const well = yield* serve({})
      assert.deepStrictEqual([(yield* well.call("/health")).status], [200])
      const ill = yield* serve({}, Stream.never, ["worker"])
      const { json, status } = yield* ill.call("/health")
      assert.deepStrictEqual([status, json._tag], [503, "Stalled"])
      assert.include(json.message, "worker")
    })
  )

  it.scopedLive("/v1/events: a caller has 16 streams at a time, 429 beyond, and a place again after it hangs up", () =>
    Effect.gen(function* () {
      const { call, other, url, watcher } = yield* serve({})
      const open = (as: Redacted.Redacted) =>
        Effect.promise(async () => {
          const abort = new AbortController()
          const headers = { authorization: `Bearer ${Redacted.value(as)}` }
          const { body, status } = await fetch(`${url}/v1/events`, { headers, signal: abort.signal })
          await body?.getReader().read()
          return { status, hangUp: Effect.sync(() => abort.abort()) }
        }).pipe(Effect.tap(({ hangUp }) => Effect.addFinalizer(() => hangUp)))
      const opened = open(watcher).pipe(
        Effect.filterOrFail(({ status }) => status === 200),
        Effect.retry(Schedule.spaced("20 millis")),
        Effect.timeout("10 seconds")
      )
      const streams = yield* Effect.replicateEffect(open(watcher), 16)
      assert.isTrue(streams.every(({ status }) => status === 200))
      const beyond = yield* call("/v1/events")
      assert.deepStrictEqual([beyond.status, beyond.json._tag], [429, "TooManyRequests"])
      assert.include(beyond.json.message, "16 streams of events")
      assert.strictEqual((yield* open(other)).status, 200)
      assert.strictEqual((yield* call("/v1/connections")).status, 200)
      yield* streams[3]?.hangUp ?? Effect.void
      const next = yield* opened
      assert.strictEqual((yield* call("/v1/events")).status, 429)
      yield* Effect.forEach([...streams, next], ({ hangUp }) => hangUp)
      yield* Effect.replicateEffect(opened, 16)
    })
  )

  it.scopedLive("/v1/events: a HEAD request takes no place for longer than it lasts", () =>
    Effect.gen(function* () {
      const { call } = yield* serve({})
      for (let times = 0; times < 20; times++) assert.strictEqual((yield* call("/v1/events", HEAD)).status, 200)
    })
  )

  it.scopedLive("/v1/events: takes no more events for a client that does not read", () =>
    Effect.gen(function* () {
      let told = 0
      const event = TokenEvent.ScopeReduced({ key: "billing", scopes: ["x".repeat(65_536)] })
      const events = Stream.repeatEffect(
        Effect.sync(() => {
          told++
          return event
        })
      )
      const { url, watcher } = yield* serve({}, events)
      const { hostname, port } = new URL(url)
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect(Number(port), hostname)),
        (socket) => Effect.sync(() => socket.destroy())
      )
      socket.pause()
      socket.write(`GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${Redacted.value(watcher)}\r\n\r\n`)
      let before = 0
      yield* Effect.sync(() => {
        const still = told > 0 && told === before
        before = told
        return still
      }).pipe(
        Effect.repeat({ until: (still) => still, schedule: Schedule.spaced("300 millis") }),
        Effect.timeout("20 seconds")
      )
      assert.isBelow(told, 1_000)
    })
  )

  it.scopedLive("DELETE /v1/token: a key that no store can keep is a bad request", () =>
    Effect.gen(function* () {
      const { call } = yield* serve({ remove: (key) => new TokenStoreError({ reason: "key", key }) })
      const { json, status } = yield* call("/v1/token?key=%00", { method: "DELETE" })
      assert.deepStrictEqual([status, json._tag], [400, "BadRequest"])
    })
  )
})

const HEAD = { method: "HEAD" }

/** The API over HTTP before a store of which only that much works, and no source at all. */
const serve = (
  store: Partial<TokenStore["Type"]>,
  events: TokenProviders["Type"]["events"] = Stream.never,
  still: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const verbs = ["read", "watch", "forget"] as const
    const [watcher, other] = [caller("watcher", verbs), caller("other", verbs)]
    const callers = [watcher, other].map(({ setting }) => ({ ...setting, keys: ["*"] as const, verbs }))
    const rate = { requests: 10_000, per: Duration.seconds(1) }
    const context = yield* Http.layer({ callers, rate }).pipe(
      Layer.provide(Layer.mock(TokenStore, { changes: Stream.never, page: () => Effect.succeed([]), ...store })),
      Layer.provide(Layer.mock(TokenProviders, { events, of: (key) => new NoSource({ key }) })),
      Layer.provide(Layer.mock(Pulse, { still: Effect.succeed(still) })),
      Layer.provideMerge(Listener.layer({ host: "127.0.0.1", port: 0 })),
      Layer.build
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const url = HttpServer.formatAddress(address).replace("0.0.0.0", "127.0.0.1")
    return { call: calling(url, watcher.key), other: other.key, url, watcher: watcher.key }
  })
