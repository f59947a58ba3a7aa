import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Api, PROMETHEUS_TEXT, Stalled } from "@evertoken/client/api"
import { TokenProviders, TokenStore } from "@evertoken/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { may } from "../config/ApiKeys.js"
import { encryptionKeys } from "../config/Secrets.js"
import * as Metrics from "../observability/Metrics.js"
import { Pulse } from "../observability/Pulse.js"
import { makeShared } from "../observability/Shared.js"
import { unavailable } from "./Answers.js"
import { makeCursors } from "./Cursor.js"
import { makePlaces, permitAny } from "./Guard.js"
import { makeListing } from "./Listing.js"
import * as StatusPage from "./StatusPage.js"
import { tokens } from "./TokenHandlers.js"

/** Tells how the connections are doing, and what happens. */
const connections = HttpApiBuilder.group(Api, "connections", (handlers) =>
  Effect.gen(function* () {
    const providers = yield* TokenProviders
    const store = yield* TokenStore
    const place = makePlaces(MOST_STREAMS)
    const list = makeListing(store, makeCursors(yield* Effect.option(encryptionKeys)))
    return handlers
      .handle("list", ({ urlParams }) =>
        Effect.flatMap(permitAny("watch"), (caller) => list(caller, urlParams)).pipe(
          Effect.catchTag("TokenStoreError", unavailable)
        )
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
  })
)

/** Tells Prometheus what happened, and how things stand. */
const monitoring = HttpApiBuilder.group(Api, "monitoring", (handlers) =>
  Effect.map(Metrics.make, (metrics) =>
    handlers.handleRaw("metrics", () =>
      Effect.map(Effect.zipRight(permitAny("metrics"), metrics), (text) =>
        HttpServerResponse.text(text, { contentType: PROMETHEUS_TEXT })
      )
    )
  )
)

/** Tells how the service is doing. */
const probes = HttpApiBuilder.group(Api, "probes", (handlers) =>
  Effect.gen(function* () {
    const pulse = yield* Pulse
    const store = yield* TokenStore
    const ready = makeShared(Effect.as(store.load("evertoken ready?"), { status: "ready" as const }))
    return handlers
      .handle("health", () =>
        Effect.flatMap(pulse.still, ([part]) =>
          part === undefined
            ? Effect.succeed({ status: "up" as const })
            : new Stalled({ message: `The ${part} stands still; restart this process` })
        )
      )
      .handle("ready", () => Effect.catchTag(ready, "TokenStoreError", unavailable))
  })
)

const pages = HttpApiBuilder.group(Api, "pages", (handlers) =>
  handlers.handleRaw("page", () => Effect.succeed(StatusPage.page))
)

/** What the API of a process does that only works. */
export const ofWorker = Layer.mergeAll(monitoring, probes)

/** What the API does. */
export const layer = Layer.mergeAll(tokens, connections, ofWorker, pages)

const MOST_STREAMS = 16
