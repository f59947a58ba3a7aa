import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** A pooler in transaction mode before a PostgreSQL that trusts everybody. */
export interface Pooler {
  readonly port: number
  /** Notifications that came to a connection which no client had just then. */
  readonly strays: () => number
}

interface Server {
  readonly socket: Socket
  client: Socket | undefined
}

/** A client is given a server's connection for each transaction, the one that was given back last. */
export const poolerTo = (host: string, port: number): Effect.Effect<Pooler, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const idle: Array<Server> = []
    let strays = 0

    const kept = (socket: Socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      return socket
    }

    const open = async (startup: Buffer): Promise<Server> => {
      const server: Server = { socket: kept(connect(port, host)), client: undefined }
      await once(server.socket, "connect")
      const ready = new Promise<void>((done) =>
        server.socket.on(
          "data",
          framed((type, message) => {
            if (server.client !== undefined) server.client.write(message)
            else if (type === "A") strays++
            if (type !== "Z") return
            const idles = message.toString("latin1", 5, 6) === "I"
            if (idles && server.client !== undefined) {
              server.client = undefined
              idle.push(server)
            }
            done()
          })
        )
      )
      server.socket.write(startup)
      await ready
      return server
    }

    const listener = createServer((socket) => {
      const client = kept(socket)
      let startup: Buffer | undefined
      let mine: Server | undefined
      let before = Promise.resolve()
      const forward = async (message: Buffer) => {
        if (mine?.client !== client) {
          mine = idle.pop() ?? (await open(startup ?? Buffer.alloc(0)))
          mine.client = client
        }
        mine.socket.write(message)
      }
      const messages = framed((type, message) => {
        if (type === "X") return void client.end()
        before = before.then(() => forward(message))
      })
      client.on("data", (data: Buffer) => {
        if (startup !== undefined) return messages(data)
        startup = data
        client.write(WELCOME)
      })
    })
    yield* Effect.acquireRelease(
      Effect.promise(async () => {
        listener.listen(0, "127.0.0.1")
        await once(listener, "listening")
      }),
      () =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          listener.close()
        })
    )
    const address = listener.address()
    return { port: typeof address === "object" && address !== null ? address.port : 0, strays: () => strays }
  })

/** Cuts a stream of bytes into PostgreSQL's messages. */
const framed = (each: (type: string, message: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1
      each(rest.toString("latin1", 0, 1), rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

/** Whoever comes is let in (AuthenticationOk), is told of a process that is none (BackendKeyData), and may ask (ReadyForQuery). */
const WELCOME = Buffer.from([
  ...[0x52, 0, 0, 0, 8, 0, 0, 0, 0],
  ...[0x4b, 0, 0, 0, 12, 0x7f, 0, 0, 1, 0, 0, 0, 1],
  ...[0x5a, 0, 0, 0, 5, 0x49]
])
