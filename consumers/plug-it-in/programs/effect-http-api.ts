import { FetchHttpClient, HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
import { TokenHttpClient } from "@evertoken/core"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { plug } from "../harness/plug.js"
import { api, Tokens } from "./provider.js"

const Name = Schema.Struct({ name: Schema.String })
class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("people").add(HttpApiEndpoint.get("me", "/me").addSuccess(Name))
) {}

const Http = TokenHttpClient.layer({ origins: [api] }).pipe(Layer.provide([Tokens, FetchHttpClient.layer]))
const me = Effect.gen(function* () {
  const { people } = yield* HttpApiClient.make(Api, { baseUrl: api })
  return yield* people.me()
})

const runtime = ManagedRuntime.make(Http)

export default plug({
  call: () => runtime.runPromise(me),
  gives: { name: "Ada" },
  refusal: "repaired",
  answer: () => ({ body: { name: "Ada" } }),
  stop: () => runtime.dispose()
})
