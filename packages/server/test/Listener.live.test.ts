import { HttpServer } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Listener from "../src/http/Listener.js"

describe("the listener", () => {
  it.scopedLive("answers 503 to what comes before the service serves, and hangs nobody (P6)", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Listener.layer({ host: "127.0.0.1", port: 0 }))
      const { address } = Context.get(context, HttpServer.HttpServer)
      const port = address._tag === "TcpAddress" ? address.port : 0
      const status = yield* Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) }).then(
          (response) => response.status,
          () => "no answer"
        )
      )
      assert.strictEqual(status, 503)
    })
  )
})
