import { connect, type Socket } from "node:net"
import { Effect } from "effect"

/** An answer as it came over the wire. */
export interface RawAnswer {
  /** Zero where the connection ended without an answer. */
  readonly status: number
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly text: string
}

/** Writes exactly these pieces to a socket, one after the other, and reads until the answer is whole or the socket ends. */
export const raw = (url: string, ...pieces: ReadonlyArray<string | Buffer>): Effect.Effect<RawAnswer> =>
  Effect.promise(async () => {
    const socket = dial(url)
    const got = reading(socket)
    for (const piece of pieces) {
      socket.write(piece)
      if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve))
    }
    const text = await got
    socket.destroy()
    return answerOf(text)
  })

/** A socket to the service whose errors end nothing. */
export const dial = (url: string): Socket => {
  const { hostname, port } = new URL(url)
  return connect(Number(port), hostname).on("error", () => {})
}

/** What comes until one answer is whole, or nothing comes any more. */
export const reading = (socket: Socket, patience = 20_000): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    const done = () => {
      clearTimeout(timer)
      resolve(text)
    }
    const timer = setTimeout(done, patience)
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1")
      const [head = "", body = ""] = text.split("\r\n\r\n", 2)
      const [, length] = /^content-length: (\d+)/im.exec(head) ?? []
      const isWhole =
        text.includes("\r\n\r\n") && (body.length >= Number(length) || (length === undefined && !/chunked/i.test(head)))
      if (isWhole || text.endsWith("\r\n0\r\n\r\n")) done()
    })
    socket.on("close", done)
  })

export const answerOf = (text: string): RawAnswer => {
  const [head = "", body = ""] = text.split("\r\n\r\n", 2)
  const [first = "", ...lines] = head.split("\r\n")
  const headers = lines.map((line) => {
    const at = line.indexOf(":")
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const
  })
  const [, status = "0"] = /^HTTP\/1\.1 (\d{3})/.exec(first) ?? []
  return { status: Number(status), headers: Object.fromEntries(headers), body, text }
}
