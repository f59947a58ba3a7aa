import { createServer, type IncomingMessage } from "node:http"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Expiry, TokenEndpoint, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Redacted } from "effect"

describe("an app's own backend", () => {
  it.scopedLive(
    "a refused refresh falls back to the login, answered with 201 and camelCase, once for all callers",
    () =>
      Effect.gen(function* () {
        const { paths, url } = yield* backend({
          "/login": [201, { token: "at2", refreshToken: "rt2", expiresIn: 3600 }],
          "/refresh": [401, { message: "Unauthorized" }]
        })
        const provider = yield* TokenProvider.make({ key: "robot", source: sourceOf(url) })
        yield* provider.put(TokenSet.make({ accessToken: "at1", refreshToken: "rt1", expiresIn: "1 hour" }))
        const refreshed = yield* Effect.all(
          Array.from({ length: 50 }, () => provider.refresh),
          { concurrency: "unbounded" }
        )
        for (const { value } of refreshed) assertEquals(value, Redacted.make("at2"))
        assert.deepStrictEqual(paths, ["/refresh", "/login"])
      }).pipe(withStore)
  )

  it.scopedLive(
    "a dead grant whose login is refused too ends with a typed error, and its refresh token is sent no more",
    () =>
      Effect.gen(function* () {
        const { paths, url } = yield* backend({
          "/login": [401, { message: "Wrong password" }],
          "/refresh": [401, { message: "Unauthorized" }]
        })
        const provider = yield* TokenProvider.make({ key: "robot", source: sourceOf(url) })
        yield* provider.put(TokenSet.make({ accessToken: "at1", refreshToken: "rt1", expiresIn: "1 hour" }))
        for (let call = 0; call < 5; call++) {
          const error = yield* Effect.flip(provider.refresh)
          assert.deepInclude(error, { _tag: "ClientRejected", key: "robot", code: "HTTP 401", status: 401 })
        }
        assert.deepStrictEqual([paths[0], [...new Set(paths.slice(1))]], ["/refresh", ["/login"]])
      }).pipe(withStore)
  )

  it.scopedLive("a body that says ERROR with 200 is an error, and nothing of it is kept", () =>
    Effect.gen(function* () {
      const { url } = yield* backend({
        "/login": [200, { status: "ERROR", reason: "LOCKED", token: "not a token" }],
        "/refresh": [200, { status: "ERROR", reason: "LOCKED", token: "not a token" }]
      })
      const provider = yield* TokenProvider.make({ key: "robot", source: sourceOf(url) })
      const error = yield* Effect.flip(provider.get)
      assert.deepInclude(error, { _tag: "ClientRejected", code: "LOCKED" })
      assert.isUndefined((yield* provider.status).expiresAt)
    }).pipe(withStore)
  )
})

const sourceOf = (url: string) =>
  TokenEndpoint.make({
    login: { url: `${url}/login`, json: { email: "robot@example.com", password: Redacted.make("canary") } },
    refresh: { url: `${url}/refresh`, json: { refreshToken: TokenEndpoint.refreshToken } },
    fields: { accessToken: "token", refreshToken: "refreshToken" },
    expiry: Expiry.seconds("expiresIn"),
    errorCode: TokenEndpoint.failsUnless("status", ["OK"], "reason"),
    errors: { "401": "refused", LOCKED: "refused" }
  })

const withStore = Effect.provide([MemoryTokenStore.layer, FetchHttpClient.layer])

/** A server that answers each path in its one way. */
const backend = (answers: Readonly<Record<string, readonly [status: number, body: object]>>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly paths: ReadonlyArray<string>; readonly close: () => void }>(
      (resume) => {
        const paths: Array<string> = []
        const server = createServer((request: IncomingMessage, response) => {
          paths.push(request.url ?? "")
          const [status, body] = answers[request.url ?? ""] ?? [404, {}]
          request.resume().once("end", () => response.writeHead(status).end(JSON.stringify(body)))
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" ? address?.port : undefined
          const close = () => {
            server.close()
            server.closeAllConnections()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, paths, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )
