import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** A wire to a database that a test can cut, hold and mend. */
export interface Proxy {
  readonly port: number
  /** Connections break, and new ones are refused. */
  readonly cut: Effect.Effect<void>
  /** Nothing comes back any more, and nobody is told. */
  readonly hold: Effect.Effect<void>
  /** All is well again. */
  readonly mend: Effect.Effect<void>
}

export const proxyTo = (host: string, port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const open = new Set<Socket>()
    let state: "well" | "cut" | "held" = "well"
    const server = createServer((socket) => {
      if (state === "cut") return void socket.destroy()
      const there = connect(port, host)
      for (const [from, to] of [
        [socket, there],
        [there, socket]
      ] as const) {
        open.add(from)
        from.on("data", (data) => (state === "held" ? undefined : to.write(data)))
        from.on("error", () => to.destroy())
        from.on("close", () => {
          open.delete(from)
          to.destroy()
        })
      }
    })
    const breakAll = () => {
      for (const socket of open) socket.destroy()
    }
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        server.listen(0, "127.0.0.1")
        await once(server, "listening")
      }),
      () =>
        Effect.sync(() => {
          breakAll()
          server.close()
        })
    )
    const address = server.address()
    return {
      port: typeof address === "object" && address !== null ? address.port : 0,
      cut: Effect.sync(() => {
        state = "cut"
        breakAll()
      }),
      hold: Effect.sync(() => {
        state = "held"
      }),
      mend: Effect.sync(() => {
        if (state === "held") breakAll()
        state = "well"
      })
    }
  })
