import { HttpApiBuilder, HttpServerResponse } from "@effect/platform"
import { TokenProviders, TokenStore } from "@evertoken/core"
import { Clock, Effect, Layer, Schedule, Stream } from "effect"
import { unavailable } from "./Answers.js"
import { Api, type Connection, Connections } from "./Api.js"
import { may } from "./ApiKeys.js"
import { makePlaces, permitAny } from "./Guard.js"
import { connectionOf } from "./Health.js"
import * as Prometheus from "./Prometheus.js"
import { makeShared } from "./Shared.js"
import * as StatusPage from "./StatusPage.js"
import { tokens } from "./TokenHandlers.js"

/** Tells how the connections are doing, and what happens. */
const connections = HttpApiBuilder.group(Api, "connections", (handlers) =>
  Effect.gen(function* () {
    const providers = yield* TokenProviders
    const store = yield* TokenStore
    const place = makePlaces(MOST_STREAMS)
    return handlers
      .handle("list", ({ urlParams: { after, limit = 100 } }) =>
        Effect.gen(function* () {
          const caller = yield* permitAny("watch")
          const now = yield* Clock.currentTimeMillis
          const found: Array<Connection> = []
          let last = after
          for (let page = 0, more = true; more && page < MOST_PAGES && found.length < limit; page++) {
            const rows = yield* store.page({ after: last, limit: limit - found.length })
            found.push(...rows.filter(({ key }) => may(caller, "watch", key)).map((row) => connectionOf(row, now)))
            more = rows.length > 0
            last = more ? rows.at(-1)?.key : undefined
          }
          return new Connections({ connections: found, next: last })
        }).pipe(Effect.catchTag("TokenStoreError", unavailable))
      )
      .handleRaw("events", () =>
        Effect.gen(function* () {
          const caller = yield* permitAny("watch")
          yield* place(caller.name)
          const told = providers.events.pipe(
            Stream.filter(({ key }) => may(caller, "watch", key)),
            Stream.map(({ _tag, ...event }) => `event: ${_tag}\ndata: ${JSON.stringify(event)}\n\n`)
          )
          const alive = Stream.fromSchedule(Schedule.spaced("15 seconds")).pipe(Stream.map(() => ": alive\n\n"))
          const lines = Stream.concat(Stream.make(": hello\n\n"), Stream.merge(told, alive))
          return HttpServerResponse.stream(Stream.encodeText(lines), {
            contentType: "text/event-stream"
          })
        })
      )
      .handleRaw("metrics", () =>
        Effect.gen(function* () {
          yield* permitAny("metrics")
          return HttpServerResponse.text(yield* Prometheus.text, { contentType: "text/plain; version=0.0.4" })
        })
      )
  })
)

/** Tells how the service is doing. */
const system = HttpApiBuilder.group(Api, "system", (handlers) =>
  Effect.gen(function* () {
    const store = yield* TokenStore
    const ready = makeShared(Effect.as(store.load("evertoken ready?"), { status: "ready" as const }))
    return handlers
      .handle("health", () => Effect.succeed({ status: "up" as const }))
      .handle("ready", () => Effect.catchTag(ready, "TokenStoreError", unavailable))
      .handleRaw("page", () => Effect.succeed(StatusPage.page))
  })
)

/** What the API does. */
export const layer = Layer.mergeAll(tokens, connections, system)

const MOST_PAGES = 50
const MOST_STREAMS = 16
