import { FetchHttpClient } from "@effect/platform"
import { Rpc, RpcClient, RpcGroup, RpcSerialization } from "@effect/rpc"
import { TokenHttpClient } from "@evertoken/core"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { plug } from "../harness/plug.js"
import { appSide, RpcServer } from "../harness/rpc.js"
import { api, Tokens } from "./provider.js"

class People extends RpcGroup.make(Rpc.make("Name", { success: Schema.String })) {}

const Http = TokenHttpClient.layer({ origins: [api] }).pipe(Layer.provide([Tokens, FetchHttpClient.layer]))
const Protocol = RpcClient.layerProtocolHttp({ url: `${api}/rpc` }).pipe(
  Layer.provide([Http, RpcSerialization.layerJson])
)
const name = Effect.flatMap(RpcClient.make(People), (people) => people.Name()).pipe(Effect.scoped)

const runtime = ManagedRuntime.make(Protocol)

export default plug({
  call: () => runtime.runPromise(name),
  gives: "Ada",
  refusal: "repaired",
  ...appSide(
    RpcServer.toHttpApp(People).pipe(
      Effect.provide(People.toLayer({ Name: () => Effect.succeed("Ada") })),
      Effect.provide(RpcSerialization.layerJson)
    ),
    () => runtime.dispose()
  )
})
