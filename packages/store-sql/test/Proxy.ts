import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** A wire to a database that a test can cut, hold and mend. */
export interface Proxy {
  readonly port: number
  /** Connections break, and new ones are refused. */
  readonly cut: Effect.Effect<void>
  /** What is sent from now on is lost, in both directions, and neither end hears of it. */
  readonly hold: Effect.Effect<void>
  /** The same from the first time that a client sends `text`, which is lost too. */
  readonly holdAt: (text: string) => Effect.Effect<void>
  /** New connections work again. Those that were held stay open, and stay dead. */
  readonly mend: Effect.Effect<void>
  /** How many connections were made. */
  readonly made: () => number
}

export const proxyTo = (host: string, port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const open = new Set<Socket>()
    let state: "well" | "cut" | "held" = "well"
    let made = 0
    let holds = 0
    let trap: string | undefined
    const hold = () => {
      state = "held"
      holds++
      trap = undefined
    }
    const server = createServer((socket) => {
      if (state === "cut") return void socket.destroy()
      made++
      const before = state === "held" ? -1 : holds
      const there = connect(port, host)
      for (const [from, to] of [
        [socket, there],
        [there, socket]
      ] as const) {
        open.add(from)
        from.on("data", (data) => {
          if (trap !== undefined && from === socket && data.includes(trap)) hold()
          if (before === holds) to.write(data)
        })
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
      hold: Effect.sync(hold),
      holdAt: (text) =>
        Effect.sync(() => {
          trap = text
        }),
      mend: Effect.sync(() => {
        state = "well"
      }),
      made: () => made
    }
  })
