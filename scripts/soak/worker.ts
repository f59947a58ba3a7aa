/** One process of the soak: callers of several keys on the shared store. It tells how it is doing, a line of JSON each. */
import { createInterface } from "node:readline"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { clients } from "@evertoken/authority"
import { OAuth2, RefreshPolicy, TokenProvider } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Config, Effect, Layer, Logger, Random, Redacted, Schedule, Stream } from "effect"
import { connection } from "./Connection.js"

const [url = "", table = "", tokenEndpoint = "", introspection = "", keyList = "", agent = ""] = process.argv.slice(2)
const keys = keyList.split(",")
/** The most milliseconds between two calls: about 60 a second for all keys together. */
const REST = Math.max(200, keys.length * 60)
const basic = Buffer.from(`api:${Redacted.value(clients.api.clientSecret)}`).toString("base64")

const tally = {
  gets: 0,
  waits: 0,
  checked: 0,
  ended: 0,
  lastSecond: 0,
  older: 0,
  restored: 0,
  failed: {} as Record<string, number>
}
const count = (name: string) => {
  tally.failed[name] = (tally.failed[name] ?? 0) + 1
}

const real = Clock.make()
const ahead = { millis: 0, steps: 0, backUntil: 0 }
const now = () => real.unsafeCurrentTimeMillis() + ahead.millis
/** The wall clock of this process, which the soak sets forward and back while it runs; timers go on as they were. */
const clock: Clock.Clock = Object.assign(Object.create(real), {
  unsafeCurrentTimeMillis: now,
  currentTimeMillis: Effect.sync(now)
})
const step = (millis: number) => {
  ahead.millis += millis
  ahead.steps++
  // A clock that went back is noticed within a minute; until then it makes ended tokens look good.
  if (millis < 0) ahead.backUntil = real.unsafeCurrentTimeMillis() + 61_000
}

/** What the resource server says of a token; undefined where it did not answer. */
const isActive = (token: string) =>
  Effect.promise(async () => {
    try {
      const response = await fetch(introspection, {
        method: "POST",
        headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ token })
      })
      const answer: unknown = await response.json()
      return answer !== null && typeof answer === "object" && "active" in answer ? answer.active === true : undefined
    } catch {
      return undefined
    }
  })

const caller = (provider: TokenProvider["Type"]) => {
  let newest = 0
  return Effect.gen(function* () {
    const from = performance.now()
    const token = yield* provider.get
    tally.gets++
    if (performance.now() - from > 1_000) tally.waits++
    if (token.generation < newest) tally.older++
    newest = Math.max(newest, token.generation)
    const { steps } = ahead
    if ((yield* Random.next) > 0.05 || (token.expiresAt ?? 0) - now() < 1_500) return
    const active = yield* isActive(Redacted.value(token.value))
    const left = (token.expiresAt ?? 0) - now()
    if (active === undefined || left < 0 || steps !== ahead.steps) return
    if (real.unsafeCurrentTimeMillis() < ahead.backUntil) return
    tally.checked++
    // The server counts whole seconds and rounds down, so it ends a token up to a second before it says.
    if (!active && left < 1_000) tally.lastSecond++
    else if (!active) tally.ended++
  }).pipe(
    Effect.catchAll((error) =>
      Effect.sync(() => count("reason" in error ? `${error._tag}: ${error.reason}` : error._tag))
    ),
    Effect.zipRight(Effect.flatMap(Random.nextIntBetween(0, REST), (millis) => Effect.sleep(millis))),
    Effect.forever
  )
}

const report = Effect.sync(() => {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const handles = process.getActiveResourcesInfo().length
  process.stdout.write(`${JSON.stringify({ ...tally, heap: heapUsed, rss, handles })}\n`)
}).pipe(Effect.repeat(Schedule.spaced("5 seconds")))

const main = Effect.gen(function* () {
  const source = yield* Effect.provide(
    Effect.mapError(
      OAuth2.refreshToken({ ...clients.app, tokenEndpoint, replayWindow: "1 minute" }),
      (error): never => {
        throw error
      }
    ),
    Layer.effect(
      HttpClient.HttpClient,
      Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.setHeader("user-agent", agent)))
    ).pipe(Layer.provide(FetchHttpClient.layer))
  )
  const policy = RefreshPolicy.make({
    ahead: RefreshPolicy.beforeExpiry("3 seconds"),
    lease: "3 seconds",
    timeout: "5 seconds"
  })
  const unsaved = new Set<string>()
  for (const key of keys) {
    const provider = yield* TokenProvider.make({ key, source: Effect.succeed(source), policy })
    yield* Effect.forkScoped(
      Stream.runForEach(provider.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Restored") tally.restored++
          if (event._tag === "SaveFailed") unsaved.add(key)
          else if (event._tag !== "Saved" || !unsaved.delete(key)) return
          // Written at once, so that whoever kills this process knows what went with it.
          process.stdout.write(`${JSON.stringify({ unsaved: unsaved.size })}\n`)
        })
      )
    )
    yield* Effect.forkScoped(Effect.all([caller(provider), caller(provider)], { concurrency: "unbounded" }))
  }
  yield* report
})

const cipher = TokenCipher.config(Config.succeed(Redacted.make(`soak=${"A".repeat(43)}`)))
// Paused while it connects, it finds that the connection took too long.
const Store = Layer.provide(SqlTokenStore.layer({ encryption: cipher, table }), connection(url)).pipe(
  Layer.retry(Schedule.spaced("1 second"))
)
createInterface(process.stdin)
  .on("line", (line) => step(Number(line)))
  .once("close", () => process.exit(0))
// Its output is for the tally alone.
const Log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))
Effect.runPromise(Effect.scoped(main).pipe(Effect.provide([Store, Log]), Effect.withClock(clock))).catch(
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  }
)
