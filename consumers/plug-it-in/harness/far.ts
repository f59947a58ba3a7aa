// The far side: a token endpoint, and an API that takes the newest token until it ends or is revoked.
import "./clock.js"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** A request that reached the API, with its body as text. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** An answer of the API. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** How the far side of one library behaves. */
export interface FarSide {
  /** What the API answers to a request whose token is good. */
  readonly answer?: (received: Received) => Answer
  /** A server of its own that answers instead. */
  readonly serve?: (request: IncomingMessage, response: ServerResponse) => unknown
  /** What it answers otherwise. */
  readonly refuse?: (received: Received) => Answer
  /** The token of a request. */
  readonly tokenOf?: (received: Received) => string | undefined
  /** Takes this token, and no other, from now on: for a far side that is no HTTP API. */
  readonly accept?: (token: string) => Promise<void>
}

/** How long a token lives. */
export const LIFE = 3_600

/** What was asked so far. */
export const seen = { posts: 0, refusals: 0 }

let side: FarSide = {}
let good = { token: "", until: 0 }

/** Puts the far side of one library in place. */
export const behave = (next: FarSide): void => {
  side = next
}

/** Whether `token` is good; one that is not is counted. */
export const isGood = (token: string | undefined): boolean => {
  const is = token === good.token && Date.now() < good.until
  if (!is) seen.refusals++
  return is
}

const set = async (token: string): Promise<void> => {
  good = { token, until: Date.now() + LIFE * 1_000 }
  await side.accept?.(token)
}

/** Ends the newest token at the far side, which nobody hears of before it is refused. */
export const revoke = (): Promise<void> => set("revoked")

const bearer = ({ authorization = "" }: Received["headers"]) => /^\w+ (.*)$/.exec(authorization)?.[1]

const tokenOf = (received: Received) => (side.tokenOf === undefined ? bearer(received.headers) : side.tokenOf(received))

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const server = createServer(async (request, response) => {
  const { headers, method = "GET", url = "/" } = request
  if (side.serve !== undefined && url !== "/token" && isGood(bearer(headers))) {
    await side.serve(request, response)
    return
  }
  const received = { method, url, headers, body: await read(request) }
  const send = ({ body, headers = {}, status = 200 }: Answer) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(text)
  }
  if (url === "/token") {
    seen.posts++
    await set(`access-${seen.posts}`)
    send({ body: { access_token: good.token, token_type: "Bearer", expires_in: LIFE } })
  } else if (side.serve === undefined && isGood(tokenOf(received)))
    send((side.answer ?? (() => ({ body: {} })))(received))
  else {
    const refused = { status: 401, body: { error: { message: "the token is not good", code: "token" } } }
    send((side.refuse ?? (() => refused))(received))
  }
})
server.listen(0, "127.0.0.1")
await once(server, "listening")
server.unref()

/** Where the far side is. */
export const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
process.env.API_URL = origin
process.env.AUTH_URL = origin
