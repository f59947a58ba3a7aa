import { Redacted, TokenRejected } from "@evertoken/core"
import { AuthorizationError, connect, tokenAuthenticator } from "@nats-io/transport-node"
import { natsSide, natsUrl } from "../harness/nats.js"
import { plug } from "../harness/plug.js"
import { client } from "./tokens.js"

// NATS asks at each connect and reconnect, and cannot wait: `peek` has the token that is kept fresh in the background.
const authenticator = tokenAuthenticator(() => {
  const token = client.peek()
  return token === undefined ? "" : Redacted.value(token.value)
})
const refused = (error: unknown) => {
  throw error instanceof AuthorizationError ? new TokenRejected() : error
}
const open = () => client.use(() => connect({ servers: natsUrl, authenticator }).catch(refused))

export default plug({
  call: async () => {
    const nats = await open()
    const { port } = nats.info ?? {}
    await nats.close()
    return natsUrl.endsWith(`:${port}`)
  },
  gives: true,
  refusal: "repaired",
  ...natsSide
})
