import { createServer } from "node:http"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { TokenClient, TokenHttpClient, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"
import { inTurn, type Row, within } from "./measure.js"

const REQUESTS = 50

const server = Effect.acquireRelease(
  Effect.async<{ readonly origin: string; readonly close: () => void }>((resume) => {
    const server = createServer((_, response) => response.end("ok"))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const close = () => {
        server.close()
        server.closeAllConnections()
      }
      resume(Effect.succeed({ origin: `http://127.0.0.1:${port}`, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const login = Effect.succeed(TokenSet.make({ accessToken: "token", expiresIn: "1 hour" }))
const source = TokenSource.make({ login })

/** A request through `TokenHttpClient` against the same client without it, on loopback. */
export const request: Effect.Effect<Row> = Effect.gen(function* () {
  const { origin } = yield* server
  const provider = yield* TokenProvider.make({ key: "k", source })
  const plain = yield* HttpClient.HttpClient
  const carrying = yield* TokenHttpClient.make({ origins: [origin] }).pipe(
    Effect.provideService(TokenProvider, provider)
  )
  const many =
    <E>(client: HttpClient.HttpClient.With<E>) =>
    () =>
      Effect.runPromise(
        Effect.replicateEffect(
          Effect.flatMap(client.get(origin), (response) => response.text),
          REQUESTS,
          { discard: true }
        )
      )
  const times = yield* Effect.promise(() => inTurn({ carrying: many(carrying), plain: many(plain) }, 15))
  return within("a request through TokenHttpClient / without it", times.carrying, times.plain, 1.05)
}).pipe(Effect.scoped, Effect.orDie, Effect.provide([MemoryTokenStore.layer, FetchHttpClient.layer]))

/** `TokenClient.fetch` against the `fetch` that it is made of, with a fixed token in the same header, on loopback. */
export const fetched: Effect.Effect<Row> = Effect.gen(function* () {
  const { origin } = yield* server
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer, origins: [origin] })),
    (client) => Effect.promise(client.dispose)
  )
  const many = (fetch: (url: string) => Promise<Response>) => async () => {
    for (let n = 0; n < 4 * REQUESTS; n++) await (await fetch(`${origin}/`)).text()
  }
  const contenders = {
    carrying: many(client.fetch),
    plain: many((url) => fetch(url, { headers: { authorization: "Bearer token" } }))
  }
  const times = yield* Effect.promise(() => inTurn(contenders, 30))
  return within("a request through TokenClient.fetch / fetch with a fixed token", times.carrying, times.plain, 1.15)
}).pipe(Effect.scoped, Effect.orDie)
