import { FetchHttpClient } from "@effect/platform"
import { OAuth2, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer } from "effect"

// What browser.test.ts runs in a page, and the page in a worker: ten calls with a token that the API refuses.
const { origin } = globalThis.location
const inPage = "document" in globalThis

const Provider = TokenProvider.layer({
  key: "browser",
  source: OAuth2.clientCredentials({ tokenEndpoint: `${origin}/token`, clientId: "app", clientAuthentication: "none" })
}).pipe(Layer.provideMerge(Layer.merge(MemoryTokenStore.layer, FetchHttpClient.layer)))

const program = Effect.gen(function* () {
  const http = yield* TokenHttpClient.make({ baseUrl: origin })
  const call = Effect.map(http.get("/api"), ({ status }) => status)
  return yield* Effect.all(Array(10).fill(call) as Array<typeof call>, { concurrency: "unbounded" })
}).pipe(Effect.provide(Provider), Effect.exit)

const told = JSON.stringify({ where: inPage ? "page" : "worker", exit: await Effect.runPromise(program) })
await fetch("/report", { method: "POST", body: told })
if (inPage) new Worker("/program.js", { type: "module" })
