// The far side of the programs in the README files, on the loopback: a token endpoint, a token service and an API.
import { createServer } from "node:http"

export interface FarSide {
  readonly url: string
  /** How many tokens were asked for. */
  readonly posts: () => number
  /** Ends the newest token at the API, which nobody hears of before a 401. */
  readonly revoke: () => void
  readonly close: () => void
}

/** The status and the body with which the API answers a request that carries the newest token. */
export const INVOICES = "200 two invoices"

export const startFarSide = (): Promise<FarSide> => {
  let posts = 0
  let valid = ""
  const server = createServer((request, response) => {
    if (request.method === "POST" && request.url === "/token") {
      posts++
      valid = `token-${posts}`
      const token = { access_token: valid, token_type: "Bearer", expires_in: 3600 }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(token))
    } else if (request.url?.startsWith("/v1/token?key=billing&") === true) {
      posts++
      valid = `token-${posts}`
      const token = { accessToken: valid, tokenType: "Bearer", expiresIn: 3600, expiresAt: Date.now() + 3_600_000 }
      const known = { key: "billing", obtainedAt: Date.now(), scopes: [], extra: {}, generation: posts }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...token, ...known }))
    } else if (request.url === "/invoices" && request.headers.authorization === `Bearer ${valid}`) {
      response.writeHead(200).end("two invoices")
    } else response.writeHead(401).end()
  })
  const revoke = () => {
    valid = "none"
  }
  return new Promise((started) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      started({ url: `http://127.0.0.1:${port}`, posts: () => posts, revoke, close: () => server.close() })
    })
  )
}
