import { createServer } from "node:http"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { TokenHttpClient, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
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

/** A request through `TokenHttpClient` against the same client without it, on loopback. */
export const request: Effect.Effect<Row> = Effect.gen(function* () {
  const { origin } = yield* server
  const login = Effect.succeed(TokenSet.make({ accessToken: "token", expiresIn: "1 hour" }))
  const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }) })
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
