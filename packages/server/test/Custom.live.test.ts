import { createServer, type IncomingMessage } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { start } from "./Service.js"

describe("a connection with a custom grant", () => {
  it.scopedLive("logs in and refreshes as its settings say: JSON, renamed fields, secrets from the environment", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* oddServer
      const { call } = yield* start({
        environment: { ODD_PASSWORD: "p4ss:w/ord", ODD_TENANT: "t3nant" },
        connections: [
          {
            key: "odd",
            grant: "custom",
            login: {
              url: `${url}/session`,
              headers: { "x-tenant": "env:ODD_TENANT" },
              json: { user: "robot", password: "env:ODD_PASSWORD" }
            },
            refresh: {
              url: `${url}/session`,
              method: "PUT",
              query: { v: "2" },
              json: { renew: "{refreshToken}", was: "{accessToken}" }
            },
            fields: { accessToken: "data.token", refreshToken: "data.renewal", expiresIn: "data.lives" }
          }
        ]
      })
      const first = yield* call("/v1/token?key=odd")
      assert.deepStrictEqual([first.status, first.json.accessToken], [200, "access-1"])
      assert.isAtLeast(first.json.expiresIn, 3_500)
      const next = yield* call(`/v1/token?key=odd&rejected=${first.json.generation}`)
      assert.deepStrictEqual([next.status, next.json.accessToken], [200, "access-2"])
      const last = yield* call(`/v1/token?key=odd&rejected=${next.json.generation}`)
      assert.deepStrictEqual([last.status, last.json.accessToken], [200, "access-3"])
      assert.deepStrictEqual(requests, [
        { asked: "POST /session", tenant: "t3nant", body: { user: "robot", password: "p4ss:w/ord" } },
        { asked: "PUT /session?v=2", tenant: undefined, body: { renew: "renewal-1", was: "access-1" } },
        { asked: "PUT /session?v=2", tenant: undefined, body: { renew: "renewal-2", was: "access-2" } }
      ])
      const { text } = yield* call("/v1/connections")
      for (const secret of ["p4ss", "t3nant", "access-3", "renewal-3"]) {
        assert.notInclude(text, secret)
        if (secret !== "access-3") assert.notInclude(last.text, secret)
      }
    })
  )
})

interface Heard {
  readonly asked: string
  readonly tenant: string | string[] | undefined
  readonly body: unknown
}

/** A token endpoint that is not standard in any way. */
const oddServer = Effect.gen(function* () {
  const port = yield* freePort
  const requests: Array<Heard> = []
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      requests.push({ asked: `${request.method} ${request.url}`, tenant: request.headers["x-tenant"], body })
      const number = requests.length
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ data: { token: `access-${number}`, renewal: `renewal-${number}`, lives: 3_600 } }))
    })
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(port, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => void server.close())
  )
  return { requests, url: `http://127.0.0.1:${port}` }
})

const read = async (request: IncomingMessage): Promise<unknown> => {
  let text = ""
  for await (const chunk of request) text += `${chunk}`
  return JSON.parse(text)
}
