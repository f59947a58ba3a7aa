import { TokenRejected } from "@evertoken/core"
import { credentials, Metadata, status } from "@grpc/grpc-js"
import { Echo, grpcSide } from "../harness/grpc.js"
import { plug } from "../harness/plug.js"
import { client } from "./tokens.js"

const service = new Echo(grpcSide.address(), credentials.createInsecure()) // createSsl() for a server elsewhere
const echo = (text: string) =>
  client.use(async () => {
    const metadata = Metadata.fromHttp2Headers(await client.header())
    return new Promise<string>((resolve, reject) =>
      service.echo(text, metadata, (error, answer = "") => {
        if (error === null) resolve(answer)
        else reject(error.code === status.UNAUTHENTICATED ? new TokenRejected() : error)
      })
    )
  })

export default plug({ call: () => echo("hello"), gives: "hello", refusal: "repaired", ...grpcSide.plug })
