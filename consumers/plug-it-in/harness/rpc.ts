// A server of `@effect/rpc` on Node's.
import type { HttpApp } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, type Scope } from "effect"
import type { Plug } from "./plug.js"

export { RpcServer } from "@effect/rpc"

/** What a program says whose far side is `app`; `stop` ends what it has itself. */
export const appSide = (
  app: Effect.Effect<HttpApp.Default<never, Scope.Scope>, never, Scope.Scope>,
  stop: () => Promise<void>
): Required<Pick<Plug, "serve" | "stop">> => {
  const runtime = ManagedRuntime.make(Layer.scope)
  const handler = runtime.runPromise(Effect.flatMap(app, NodeHttpServer.makeHandler))
  return {
    serve: async (request, response) => (await handler)(request, response),
    stop: async () => {
      await stop()
      await runtime.dispose()
    }
  }
}
