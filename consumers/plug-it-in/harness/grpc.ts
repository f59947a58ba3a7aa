// A gRPC service that gives back what it is sent, for calls whose token is good.
import {
  type Client,
  type Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  status
} from "@grpc/grpc-js"
import { freePort } from "../../../test/freePort.js"
import { isGood } from "./far.js"
import type { Plug } from "./plug.js"

const text = { serialize: (text: string) => Buffer.from(text), deserialize: (bytes: Buffer) => bytes.toString() }
const definition = {
  echo: {
    path: "/Echo/echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize
  }
} as const

type Answered = (error: { readonly code: status } | null, answer?: string) => void
type EchoClient = Client & { readonly echo: (text: string, metadata: Metadata, done: Answered) => void }

/** The client that a compiler of `.proto` files would make. */
export const Echo = makeGenericClientConstructor(definition, "Echo") as unknown as new (
  ...given: ConstructorParameters<typeof Client>
) => EchoClient

const server = new Server()
server.addService(definition, {
  echo: (
    call: { readonly metadata: Metadata; readonly request: string },
    done: (error: object | null, answer?: string) => void
  ) => {
    const [authorization = ""] = call.metadata.get("authorization")
    if (isGood(`${authorization}`.slice("Bearer ".length))) done(null, call.request)
    else done({ code: status.UNAUTHENTICATED })
  }
})
const port = await freePort()
await new Promise<void>((bound, failed) =>
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) =>
    error ? failed(error) : bound()
  )
)

export const grpcSide = {
  address: () => `127.0.0.1:${port}`,
  plug: { stop: async () => server.forceShutdown() } satisfies Pick<Plug, "stop">
}
