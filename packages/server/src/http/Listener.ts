import { createServer, type Server } from "node:http"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { SettingsError } from "../config/Settings.js"
import { rarely } from "../observability/Log.js"

/** Where to listen. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Listens on `address`. Nothing that a network or a caller does to a socket ends the process: each event that Node can
 * raise is answered here or by Node itself.
 *
 * | event | what happens |
 * |---|---|
 * | server `error` | before it listens: `SettingsError`; afterwards, where no connection can be accepted (no file descriptor is left): logged, and listening goes on |
 * | server `connection`, socket `error` | each socket has a listener for its errors for as long as it lives |
 * | server `upgrade` | no listener: Node serves the request as HTTP/1.1 (RFC 9110 section 7.8), and never hands the socket out |
 * | server `connect` | no listener: Node closes the connection |
 * | server `checkContinue`, `checkExpectation` | no listener: Node answers 100, and 417 to what is no `100-continue` |
 * | server `clientError` | no listener: Node answers 400, 408 or 431 and closes the connection |
 * | server `drop` | beyond `maxConnections`: Node closes the new connection |
 * | server `dropRequest`, `timeout`; socket `timeout` | never raised: neither `maxRequestsPerSocket` nor an idle `timeout` is set |
 * | server `close` | when the scope closes |
 * | request `error`, `aborted`; response `error`, `close` | listeners on each; the handler is interrupted where the caller has gone |
 */
export const layer = ({ host, port }: Address, setting = "listen") =>
  Layer.merge(Layer.scoped(HttpServer.HttpServer, listen({ host, port }, setting)), NodeHttpServer.layerContext)

const listen = ({ host, port }: Address, setting: string) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(Effect.sync(make), close)
    yield* Effect.async<void, SettingsError>((resume) => {
      const refused = () => resume(new SettingsError({ setting, problem: `${host}:${port} cannot be listened on` }))
      server.once("error", refused)
      server.listen({ host, port }, () => {
        server.off("error", refused)
        resume(Effect.void)
      })
    })
    const runFork = Runtime.runFork(yield* Effect.runtime())
    const tell = rarely(Effect.logError("A connection could not be accepted: is there a file descriptor left?"))
    server.on("error", () => void runFork(tell))
    const address = server.address()
    return HttpServer.make({
      address:
        address === null || typeof address === "string"
          ? { _tag: "UnixAddress", path: address ?? "" }
          : { _tag: "TcpAddress", hostname: address.address, port: address.port },
      serve: Effect.fnUntraced(function* (app, middleware): Effect.fn.Return<void, never, Scope.Scope> {
        const handler = yield* middleware === undefined
          ? NodeHttpServer.makeHandler(app)
          : NodeHttpServer.makeHandler(app, middleware)
        yield* Effect.acquireRelease(
          Effect.sync(() => server.off("request", unavailable).on("request", handler)),
          () => Effect.sync(() => server.off("request", handler).on("request", unavailable))
        )
      })
    })
  })

/** Limits are those that matter to callers that are slow, large or many. */
const make = (): Server => {
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 2_000,
    keepAliveTimeout: 5_000,
    maxHeaderSize: 16_384
  })
  // The size bounds the headers. A bound on their number would drop some of them in silence.
  server.maxHeadersCount = 0
  server.maxConnections = MOST_CONNECTIONS
  server.on("connection", (socket) => socket.on("error", nothing))
  server.on("request", unavailable)
  server.on("request", (request, response) => {
    request.on("error", nothing)
    response.on("error", nothing)
    // What is answered before its body has come gets a moment to end, so that the answer is not lost with a reset.
    response.on("finish", () => {
      if (!request.complete) setTimeout(() => request.complete || request.socket.destroy(), LINGER).unref()
    })
  })
  return server
}

/** Streams of events have no end of their own; requests get a moment to finish. */
const close = (server: Server) =>
  Effect.async<void>((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), LINGER).unref()
  })

/** What comes before the service serves, or as it ends, is not left without an answer. */
const unavailable = (_: unknown, response: { writeHead: (status: number, headers: object) => { end: () => void } }) =>
  response.writeHead(503, { connection: "close" }).end()

const nothing = () => {}

const MOST_CONNECTIONS = 4_096
const LINGER = 2_000
