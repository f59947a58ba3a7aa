import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, type Scope } from "effect"

/** A request as a real server saw it. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Keeps the connection open after the body. */
  readonly open?: boolean
  /** Sends nothing at all. */
  readonly hang?: boolean
}

/** An HTTP server on the loopback for as long as the scope lives, with what it received and how many answers are not over. */
export const startServer = (
  reply: (received: Received) => Reply
): Effect.Effect<
  { readonly origin: string; readonly received: ReadonlyArray<Received>; readonly held: () => number },
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.async<{ server: Server; received: Array<Received>; held: Set<unknown> }>((resume) => {
      const received: Array<Received> = []
      const held = new Set<unknown>()
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        held.add(response)
        response.on("close", () => held.delete(response))
        request.on("error", () => {})
        request.on("data", (chunk) => chunks.push(chunk))
        request.on("end", () => {
          const { headers, method = "", url = "" } = request
          const one = { method, path: url, headers, body: Buffer.concat(chunks) }
          received.push(one)
          const { body = "", hang, open, status = 200, headers: more } = reply(one)
          if (hang === true) return
          response.writeHead(status, { ...more })
          response.write(body)
          if (open !== true) response.end()
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, received, held })))
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map(({ held, received, server }) => ({
      origin: `http://127.0.0.1:${addressOf(server).port}`,
      received,
      held: () => held.size
    }))
  )

const addressOf = (server: Server): AddressInfo => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The server does not listen")
  return address
}
