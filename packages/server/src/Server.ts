import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { RefreshPolicy, TokenProviders, TokenStore, TokenWorker } from "@evertoken/core"
import { isLoopback } from "@evertoken/core/options"
import { MemoryTokenStore } from "@evertoken/store-memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeBounds } from "./config/Bounds.js"
import { withRest } from "./config/Rest.js"
import { type Settings, SettingsError } from "./config/Settings.js"
import { makeSources } from "./config/Sources.js"
import * as Store from "./config/Store.js"
import * as Http from "./http/Http.js"
import * as Listener from "./http/Listener.js"
import * as Journal from "./observability/Journal.js"
import { Pulse, workerBeats } from "./observability/Pulse.js"

/** What runs in this process. */
export interface Parts {
  readonly api: boolean
  readonly worker: boolean
}

/** The service as `settings` describe it, until the scope closes; what is in flight then is finished and saved. */
export const layer = (settings: Settings, parts: Parts) => {
  const running = Layer.mergeAll(
    Journal.layer,
    readable,
    parts.api ? api(settings) : parts.worker ? port(settings) : Layer.empty,
    parts.worker ? worker(settings) : Layer.empty
  )
  return running.pipe(
    Layer.provide(providers(settings)),
    Layer.provide(Store.layer(settings)),
    Layer.provide(Pulse.layer),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

/** Fails where `layer` would for its settings' sake. It has a store of its own, listens on nothing and asks nobody. */
export const declared = (settings: Settings, parts: Parts) =>
  Effect.scoped(
    Layer.build(
      Layer.mergeAll(
        parts.api ? Layer.effectDiscard(callersOf(settings)) : Layer.empty,
        parts.worker ? worker(settings) : Layer.empty
      ).pipe(
        Layer.provideMerge(providers(settings)),
        Layer.provide(MemoryTokenStore.layer),
        Layer.provide(Pulse.layer),
        Layer.provide(NodeHttpClient.layerUndici)
      )
    )
  )

/** Each caller has a name and an API key of its own, and there is one. */
const callersOf = Effect.fnUntraced(function* ({ callers }: Settings) {
  if (callers.length === 0) {
    const problem =
      "nobody may call; name at least one caller, or start with --worker-only. `evertoken api-key` makes a key"
    return yield* new SettingsError({ setting: "callers", problem })
  }
  for (const part of ["name", "hash"] as const) {
    const seen = callers.map((caller) => caller[part])
    const at = seen.findIndex((one, at) => seen.indexOf(one) < at)
    if (at === -1) continue
    return yield* new SettingsError({ setting: `callers[${at}].${part}`, problem: `another caller has this ${part}` })
  }
})

const api = (settings: Settings) =>
  Layer.unwrapEffect(
    Effect.as(callersOf(settings), served(Http.layer(settings), "listen", settings.listen, "tokens leave"))
  )

/** Where a process that only works tells how it is. */
const port = (settings: Settings) =>
  served(Http.ofWorker(settings), "worker.listen", settings.worker.listen, "API keys come")

const served = <A, E, R>(http: Layer.Layer<A, E, R>, setting: string, at: Listener.Address, what: string) => {
  const warning = Effect.logWarning(
    `${setting}.host: ${at.host} can be reached from elsewhere, and ${what} in the clear; let a proxy end TLS`
  )
  const told = Effect.zipRight(HttpServer.logAddress, isLoopback(at.host) ? Effect.void : warning)
  // Said once it serves: whoever waits for this line asks at once.
  return http.pipe(
    Layer.tap(() => told),
    Layer.provide(Listener.layer(at, setting))
  )
}

const worker = (settings: Settings) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const { listen: _, ...options } = settings.worker
      const { summary } = yield* Effect.provideServiceEffect(
        TokenWorker.beside({ ...options, claim: settings.policy.lease }),
        TokenStore,
        workerBeats(options.every)
      )
      yield* Effect.addFinalizer(() => Effect.flatMap(summary, (done) => Effect.logInfo(`Worker: ${done}`)))
      yield* Effect.logInfo("Worker: at work")
    })
  )

/** Says at the start how many rows do not open with the encryption keys at hand. */
const readable = Layer.scopedDiscard(
  Effect.gen(function* () {
    const store = yield* TokenStore
    const look = Effect.gen(function* () {
      const [count, broken] = [{ rows: 0, unread: 0 }, new Set<string>()]
      for (let after: string | undefined, more = true; more && count.rows < MOST_ROWS; ) {
        const rows = yield* store.page({ after, limit: 200 })
        for (const { error } of rows) if (error !== undefined) broken.add(error.detail ?? error.reason)
        count.rows += rows.length
        count.unread += rows.filter(({ error }) => error !== undefined).length
        after = rows.at(-1)?.key
        more = rows.length === 200
      }
      if (count.unread === 0) return
      const why = [...broken].slice(0, 3).join("; ")
      yield* Effect.annotateLogs(
        Effect.logError(
          `EVERTOKEN_KEYS: ${count.unread} of ${count.rows} rows do not open and are left as they are: ${why}`
        ),
        count
      )
    })
    yield* Effect.forkScoped(
      Effect.catchAll(look, (error) => Effect.logWarning(`Rows were not looked at: ${error.message}`))
    )
  })
)

const MOST_ROWS = 10_000

const providers = (settings: Settings) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const store = yield* TokenStore
      const source = yield* makeSources(settings.connections, makeBounds(store))
      const { ahead, ...durations } = settings.policy
      const policy = RefreshPolicy.make({
        ...durations,
        ahead: ahead === undefined ? undefined : RefreshPolicy.beforeExpiry(ahead)
      })
      return Layer.provide(
        TokenProviders.layer({ source, policy }),
        Layer.succeed(TokenStore, withRest(store, settings.connections))
      )
    })
  )
