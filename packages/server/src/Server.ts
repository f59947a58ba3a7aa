import { createServer, type Server } from "node:http"
import { HttpApiBuilder, HttpApiSwagger, HttpMiddleware, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { RefreshPolicy, TokenCipher, TokenProviders, TokenWorker } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Config, Effect, Layer, Option, Predicate, Redacted } from "effect"
import { Api } from "./Api.js"
import * as Database from "./Database.js"
import * as Guard from "./Guard.js"
import * as Handlers from "./Handlers.js"
import { isLoopback } from "./Loopback.js"
import { secretAt } from "./Secrets.js"
import { type Settings, SettingsError } from "./Settings.js"
import { makeSources } from "./Sources.js"

/** What runs in this process. */
export interface Parts {
  readonly api: boolean
  readonly worker: boolean
}

/** The service as `settings` describe it, until the scope closes; what is in flight then is finished and saved. */
export const layer = (settings: Settings, parts: Parts) => {
  const running = Layer.mergeAll(parts.api ? api(settings) : Layer.empty, parts.worker ? worker(settings) : Layer.empty)
  return running.pipe(
    Layer.provide(providers(settings)),
    Layer.provide(store(settings)),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

const api = (settings: Settings) => {
  const { host, port } = settings.listen
  if (settings.callers.length === 0) {
    const problem =
      "nobody may call; name at least one caller, or start with --worker-only. `evertoken api-key` makes a key"
    return Layer.fail(new SettingsError({ setting: "callers", problem }))
  }
  for (const part of ["name", "hash"] as const) {
    const seen = settings.callers.map((caller) => caller[part])
    const at = seen.findIndex((one, at) => seen.indexOf(one) < at)
    if (at === -1) continue
    return Layer.fail(
      new SettingsError({ setting: `callers[${at}].${part}`, problem: `another caller has this ${part}` })
    )
  }
  const warning = isLoopback(host)
    ? Effect.void
    : Effect.logWarning(
        `listen.host: ${host} can be reached from elsewhere, and tokens leave in the clear; let a proxy end TLS`
      )
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16_384 })
  const listening = Layer.mapError(
    NodeHttpServer.layer(() => server, { host, port }),
    () => new SettingsError({ setting: "listen", problem: `${host}:${port} cannot be listened on` })
  )
  return HttpApiBuilder.serve(guarded).pipe(
    Layer.provide(HttpApiSwagger.layer({ path: "/docs" })),
    Layer.provide(HttpApiBuilder.middlewareOpenApi({ path: "/openapi.json" })),
    Layer.provide(HttpApiBuilder.api(Api)),
    Layer.provide(Handlers.layer),
    Layer.provide(Guard.layer(settings.callers, settings.rate)),
    Layer.merge(Layer.effectDiscard(Effect.zipRight(HttpServer.logAddress, warning))),
    Layer.merge(Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => hangUp(server))))),
    Layer.provide(listening)
  )
}

/** What nobody foresaw is told to the log, by its name; the caller learns only that it failed. */
const guarded = HttpMiddleware.make((app) =>
  Effect.catchAllDefect(app, (defect) =>
    HttpServerResponse.isServerResponse(defect)
      ? Effect.succeed(defect)
      : Effect.as(
          Effect.logError(`A request failed: ${Predicate.isError(defect) ? defect.name : typeof defect}`),
          HttpServerResponse.unsafeJson(
            { _tag: "BadRequest", message: "The request cannot be served" },
            { status: 400 }
          )
        )
  )
)

/** Streams of events have no end of their own; requests get a moment to finish. */
const hangUp = (server: Server) => {
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), 2_000).unref()
}

const worker = (settings: Settings) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const { summary } = yield* TokenWorker.beside({ ...settings.worker, claim: settings.policy.lease })
      yield* Effect.addFinalizer(() => Effect.flatMap(summary, (done) => Effect.logInfo(`Worker: ${done}`)))
      yield* Effect.logInfo("Worker: at work")
    })
  )

const providers = (settings: Settings) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const source = yield* makeSources(settings.connections)
      const { ahead, ...durations } = settings.policy
      const policy = RefreshPolicy.make({
        ...durations,
        ahead: ahead === undefined ? undefined : RefreshPolicy.beforeExpiry(ahead)
      })
      return TokenProviders.layer({ source, policy })
    })
  )

const store = (settings: Settings) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const { database = "file:evertoken.db", encryption } = settings
      const given = yield* Effect.option(Config.redacted("DATABASE_URL"))
      const isPlace = /^env:/.test(database)
      const address =
        isPlace || Option.isNone(given)
          ? isPlace
            ? yield* secretAt("database", database)
            : Redacted.make(database)
          : given.value
      const setting = isPlace || Option.isNone(given) ? "database" : "DATABASE_URL"
      const cipher = Effect.mapError(
        TokenCipher.config(),
        () =>
          new SettingsError({
            setting: "EVERTOKEN_KEYS",
            problem:
              'expected encryption keys like 2026-09=…; `evertoken encryption-key` makes one. Or set "encryption": "off"'
          })
      )
      return Layer.provide(
        SqlTokenStore.layer({ encryption: encryption === "off" ? "off" : cipher }),
        Database.layer(setting, address)
      )
    })
  )
