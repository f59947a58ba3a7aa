import { request } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Redacted } from "effect"
import { environment, start } from "./Service.js"

describe("the API under requests that nobody means well", () => {
  it.scopedLive("answers with 4xx and nothing else, repeats no secret, and goes on serving", () =>
    Effect.gen(function* () {
      const { admin, call, url } = yield* start()
      const secret = "s3cret-in-the-body"
      const { generation } = (yield* call("/v1/token?key=billing")).json
      const paths = [
        "/v1/token",
        "/v1/reject",
        "/v1/connections",
        "/v1/events/x",
        "/metrics/x",
        "/nope",
        "/v1/../v1/nope"
      ]
      const queries = [
        "",
        "?key=",
        "?key=%00",
        "?key=%ED%A0%80",
        "?key=%zz",
        "?key=a&key=b",
        `?key=${"k".repeat(4_000)}`
      ]
      const more = [
        "?minValidity=1e999&key=nobody",
        "?rejected=x&key=nobody",
        "?limit=0",
        "?limit=99999999999",
        "?after=%00%ff"
      ]
      const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
      const bodies = [
        undefined,
        "",
        "{",
        "null",
        "[]",
        `"${secret}"`,
        `{"key":"billing","accessToken":["${secret}"]}`,
        `{"key":"billing","accessToken":"","refreshToken":"${secret}"}`,
        `{"key":"\\u0000","accessToken":"${secret}"}`,
        `{"key":"${"x".repeat(3_000)}","accessToken":"${secret}"}`,
        `{"key":"billing","generation":1e400}`,
        "{".repeat(20_000),
        `{"key":"billing","accessToken":"${"y".repeat(100_000)}"}`,
        Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x00]),
        `{"__proto__":{"key":"billing"},"accessToken":"${secret}"}`
      ]
      const types = [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x"
      ]
      const keys = [Redacted.value(admin), "", "evk_wrong", "é", `${Redacted.value(admin)}x`, "a".repeat(8_000)]
      const pick = <A>(of: ReadonlyArray<A>) => Effect.map(Random.nextIntBetween(0, of.length), (at) => of[at])
      const bad: Array<string> = []
      for (let round = 0; round < 1_500; round++) {
        const path = `${yield* pick(paths)}${yield* pick([...queries, ...more])}`
        const [method, body, type] = [yield* pick(methods), yield* pick(bodies), yield* pick(types)]
        const key = yield* pick(round % 3 === 0 ? keys : keys.slice(0, 1))
        const answer = yield* Effect.promise(() => send(url, path, method ?? "GET", key ?? "", type ?? "", body))
        const fine = answer.status >= 400 && answer.status < 500
        // Lists and tokens may be had by whoever asks well.
        const asked = method === "GET" && answer.status === 200
        const told = answer.text.includes(secret) || Object.values(environment).some((one) => answer.text.includes(one))
        if ((!fine && !asked && answer.status !== 0) || told)
          bad.push(`${answer.status} ${method} ${path} ${String(body).slice(0, 60)} ${told}`)
      }
      assert.deepStrictEqual(bad.slice(0, 5), [])
      const after = yield* call("/v1/token?key=billing")
      assert.deepStrictEqual([after.status, after.json.generation], [200, generation])
    })
  )
})

/** Sends exactly this, which `fetch` would refuse to; status 0 where the connection was ended instead of an answer. */
const send = (
  url: string,
  path: string,
  method: string,
  key: string,
  type: string,
  body: string | Buffer | undefined
) =>
  new Promise<{ readonly status: number; readonly text: string }>((resolve) => {
    const { hostname, port } = new URL(url)
    const headers = { authorization: `Bearer ${Buffer.from(key).toString("latin1")}`, "content-type": type }
    const sent = request({ hostname, port, path, method, headers, timeout: 10_000 }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }))
      response.on("error", () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on("error", () => resolve({ status: 0, text: "" }))
    sent.on("timeout", () => resolve({ status: 599, text: "no answer" }))
    sent.end(body)
  })
