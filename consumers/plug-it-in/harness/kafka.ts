// A Kafka broker with one topic, which takes the newest token (OAUTHBEARER), as far as the clients of the programs need it.
import { createServer, type Socket } from "node:net"
import { freePort } from "../../../test/freePort.js"
import { isGood } from "./far.js"
import type { Plug } from "./plug.js"

const port = await freePort()

/** Where it is. */
export const broker = `127.0.0.1:${port}`

/** A session ends so soon (KIP-368), in milliseconds, that kafkajs logs in again on the open connection before each request. */
const SESSION = 10_000

const short = (value: number) => Buffer.from(Int16Array.of(value).buffer).swap16()
const int = (value: number) => Buffer.from(Int32Array.of(value).buffer).swap32()
const long = (value: number) => Buffer.from(BigInt64Array.of(BigInt(value)).buffer).swap64()
const text = (value: string) => Buffer.concat([short(Buffer.byteLength(value)), Buffer.from(value)])
const bytes = (value: string) => Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)])
const list = (...items: ReadonlyArray<Buffer>) => Buffer.concat([int(items.length), ...items])

const NO_ERROR = short(0)
const METADATA = 3
const SASL_HANDSHAKE = 17
const API_VERSIONS = 18
const SASL_AUTHENTICATE = 36

/** What it answers by, each in one version of the protocol. */
const versions = list(
  ...[
    [METADATA, 0],
    [SASL_HANDSHAKE, 1],
    [API_VERSIONS, 0],
    [SASL_AUTHENTICATE, 1]
  ].map(([api = 0, version = 0]) => Buffer.concat([short(api), short(version), short(version)]))
)
const partition = Buffer.concat([NO_ERROR, int(0), int(1), list(int(1)), list(int(1))])
const metadata = Buffer.concat([
  list(Buffer.concat([int(1), text("127.0.0.1"), int(port)])),
  list(Buffer.concat([NO_ERROR, text("invoices"), list(partition)]))
])

/** How often a connection that was open already logged in with a newer token. */
export const renewals = { count: 0 }

const serve = (socket: Socket) => {
  let waiting: Buffer = Buffer.alloc(0)
  let state: "new" | "logged in" | "refused" = "new"
  let used = ""
  const answer = (correlation: Buffer, ...parts: ReadonlyArray<Buffer>) => {
    const body = Buffer.concat([correlation, ...parts])
    socket.write(Buffer.concat([int(body.length), body]))
  }
  const login = (said: string): ReadonlyArray<Buffer> => {
    if (state === "refused") {
      // The client has seen why, and the exchange ends: SASL_AUTHENTICATION_FAILED, and no connection any more.
      setImmediate(() => socket.end())
      return [short(58), text("the token is not good"), bytes(""), long(0)]
    }
    const token = said.split("\u0001")[1]?.replace("auth=Bearer ", "") ?? ""
    if (!isGood(token)) {
      // As Kafka does, and RFC 7628 section 3.2.2: why it is refused comes first, and is no error yet.
      state = "refused"
      return [NO_ERROR, short(-1), bytes('{"status":"invalid_token"}'), long(0)]
    }
    if (state === "logged in" && used !== token) renewals.count++
    state = "logged in"
    used = token
    return [NO_ERROR, short(-1), bytes(""), long(SESSION)]
  }
  const take = (request: Buffer) => {
    const [api, version, correlation] = [request.readInt16BE(0), request.readInt16BE(2), request.subarray(4, 8)]
    const body = request.subarray(10 + Math.max(0, request.readInt16BE(8)))
    // UNSUPPORTED_VERSION: the client asks again in one that is listed.
    if (api === API_VERSIONS) answer(correlation, version === 0 ? NO_ERROR : short(35), versions)
    else if (api === SASL_HANDSHAKE) answer(correlation, NO_ERROR, list(text("OAUTHBEARER")))
    else if (api === SASL_AUTHENTICATE) answer(correlation, ...login(body.subarray(4).toString()))
    else if (state !== "logged in") {
      // A Kafka broker answers as if it had nothing, and hangs up.
      answer(correlation, list(), list())
      socket.end()
    } else answer(correlation, metadata)
  }
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
      const end = 4 + waiting.readInt32BE(0)
      take(waiting.subarray(4, end))
      waiting = waiting.subarray(end)
    }
  })
}
const server = createServer(serve)

/** What a program whose far side is Kafka says. */
export const kafkaSide = {
  start: async () => {
    await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening))
    return undefined
  },
  stop: async () => void server.close()
} satisfies Pick<Plug, "start" | "stop">
