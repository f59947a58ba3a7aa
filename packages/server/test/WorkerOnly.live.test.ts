import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Authority } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { run } from "./Bin.js"
import { readExposition } from "./Exposition.js"
import { caller, calling, endpoint, environment, folder } from "./Service.js"

describe("a process that only works", () => {
  it.scopedLive("has a port of its own for /health, /ready and /metrics, on the loopback, and nothing else there", () =>
    Effect.gen(function* () {
      const { admin, call, env, service } = yield* prepare
      const worker = yield* run(["--worker-only"], env)
      yield* worker.says(/Listening on http:\/\/127\.0\.0\.1/)
      assert.deepStrictEqual((yield* call("/health")).json, { status: "up" })
      assert.deepStrictEqual((yield* call("/ready")).json, { status: "ready" })
      const { status, text } = yield* call("/metrics")
      assert.strictEqual(status, 200)
      const metrics = readExposition(text)
      assert.isNotEmpty(metrics.get("evertoken_worker_claims_total")?.samples)
      const routes = metrics.get("evertoken_http_requests_total")?.samples.map(({ labels }) => labels.route)
      assert.sameMembers([...new Set(routes)], ["/health", "/ready", "/metrics"])
      const refused = yield* call("/metrics", { as: Redacted.make("evk_wrong") })
      assert.strictEqual(refused.status, 401)
      for (const path of ["/v1/token?key=billing", "/v1/connections", "/v1/events", "/", "/docs", "/openapi.json"]) {
        assert.strictEqual((yield* call(path)).status, 404, path)
      }
      const elsewhere = yield* Effect.promise(() => fetch(service).then(String, (error: Error) => String(error.cause)))
      assert.include(elsewhere, "ECONNREFUSED")
      yield* worker.kill("SIGTERM")
      const { code, err, out } = yield* worker.ended
      assert.deepStrictEqual([code, err], [0, ""])
      assert.notInclude(out, Redacted.value(admin))
    })
  )

  it.scopedLive("says which setting is wrong where its port is taken, and renews nothing then", () =>
    Effect.gen(function* () {
      const { env, port } = yield* prepare
      yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const taken = createServer().listen(port, "127.0.0.1", () => resume(Effect.succeed(taken)))
        }),
        (taken) => Effect.sync(() => taken.close())
      )
      const worker = yield* run(["--worker-only"], env)
      const { code, err } = yield* worker.ended
      assert.strictEqual(code, 1)
      assert.strictEqual(err, `evertoken: worker.listen: 127.0.0.1:${port} cannot be listened on\n`)
    })
  )
})

const prepare = Effect.gen(function* () {
  const authority = yield* Authority.make({ lifetime: "5 minutes" })
  const [port, other] = [yield* freePort, yield* freePort]
  const admin = caller("admin", ["metrics"])
  const config = {
    listen: { port: other },
    connections: [{ key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") }],
    callers: [admin.setting],
    worker: { listen: { port } }
  }
  const env = {
    ...environment,
    DATABASE_URL: `file:${join(yield* folder, "tokens.db")}`,
    EVERTOKEN_CONFIG: JSON.stringify(config)
  }
  return {
    admin: admin.key,
    call: calling(`http://127.0.0.1:${port}`, admin.key),
    env,
    port,
    service: `http://127.0.0.1:${other}`
  }
})
