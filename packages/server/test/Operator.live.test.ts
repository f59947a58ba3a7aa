import { assert, describe, it } from "@effect/vitest"
import { refuse } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { caller, endpoint } from "./Service.js"
import { servingOn } from "./Serving.js"

describe("what an operator is told by the service's process", () => {
  it.scopedLive(
    "made-up names have a bound, a wait is told in seconds, a refused API key is one line and a count",
    () =>
      Effect.gen(function* () {
        const { authority, bin, call } = yield* servingOn({
          connections: (authority) => [
            { key: "made/*", grant: "client_credentials", maxKeys: 2, ...endpoint(authority, "billing") }
          ]
        })
        const statuses = yield* Effect.forEach(["made/1", "made/2", "made/3", "made/1"], (key) =>
          Effect.map(call(`/v1/token?key=${key}`), ({ status }) => status)
        )
        assert.deepStrictEqual(statuses, [200, 200, 404, 200])

        yield* authority.break(refuse(503, { retryAfter: "100 seconds" }))
        const { headers, json, status } = yield* call("/v1/token?key=billing")
        assert.strictEqual(status, 503)
        assert.isTrue(json.retryAfter > 60 && json.retryAfter <= 120)
        assert.strictEqual(headers.get("retry-after"), String(json.retryAfter))

        const stranger = caller("stranger", ["read"])
        for (let times = 0; times < 5; times++) {
          assert.strictEqual((yield* call("/v1/token?key=billing", { as: stranger.key })).status, 401)
        }
        const { text } = yield* call("/metrics")
        assert.include(text, "\nevertoken_api_keys_refused_total 5\n")
        assert.match(text, /\nevertoken_http_requests_total\{[^}]*status="404"[^}]*\} 1\n/)
        assert.match(text, /\nevertoken_connections\{health="down"\} /)
        yield* bin.kill("SIGTERM")
        const { out } = yield* bin.ended
        const lines = out
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
        assert.strictEqual(lines.filter(({ fingerprint }) => fingerprint !== undefined).length, 1)
        assert.isTrue(lines.every(({ date, level }) => !Number.isNaN(Date.parse(date)) && typeof level === "string"))
        assert.notInclude(out, Redacted.value(stranger.key))
      })
  )
})
