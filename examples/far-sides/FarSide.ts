import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, type Scope } from "effect"

/** A request as the far side saw it. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The body, where it was JSON. */
  readonly json: Readonly<Record<string, unknown>>
  /** What `Authorization` says after `Bearer`. */
  readonly token: string | undefined
}

/** What it answers: `says` is the line of the log, which names tokens by number and holds no secret. */
export interface Answer {
  readonly status: number
  readonly json?: unknown
  readonly says?: string
}

/** One line of a log. */
export interface Line {
  /** When, in epoch milliseconds. */
  readonly at: number
  /** The method and the path, such as `POST /login`. */
  readonly what: string
  readonly status: number
  readonly says: string
}

/** A server on the loopback, for as long as the scope lives, with its own log of what it was asked and what it answered. */
export const startFarSide = (
  answer: (asked: Asked) => Answer | Promise<Answer>
): Effect.Effect<{ readonly url: string; readonly log: Array<Line> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const log: Array<Line> = []
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1")
      const { headers, method = "GET" } = request
      const text = Buffer.concat(chunks).toString()
      const {
        json,
        says = "",
        status
      } = await answer({
        ...{ method, path: pathname, query: searchParams, headers },
        json: text.startsWith("{") ? JSON.parse(text) : {},
        token: headers.authorization?.replace("Bearer ", "")
      })
      log.push({ at: Date.now(), what: `${method} ${pathname}`, status, says })
      response.writeHead(status, { "content-type": "application/json" })
      response.end(json === undefined ? "" : JSON.stringify(json))
    })
    yield* Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, log }
  })

/** How many lines of a log are about `what`, with this status if one is given. */
export const count = (log: ReadonlyArray<Line>, what: string, status?: number): number =>
  log.filter((line) => line.what === what && line.status === (status ?? line.status)).length
