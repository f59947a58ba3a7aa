import { Redacted, TokenRejected } from "@evertoken/core"
import { type ChannelModel, connect } from "amqplib"
import { plug } from "../harness/plug.js"
import { rabbit, rabbitSide } from "../harness/rabbit.js"
import { client } from "./tokens.js"

const refused = (error: Error) => {
  throw error.message.includes("ACCESS_REFUSED") ? new TokenRejected() : error
}
const open = () => client.use(async () => connect({ ...rabbit, password: await client.token() }).catch(refused))

/** Renews the connection's token before it ends; the function that comes back stops that. */
const keep = (connection: ChannelModel) =>
  client.subscribe(({ value }) => {
    connection.updateSecret(Buffer.from(Redacted.value(value)), "renewed").catch(console.error)
  })

export default plug({
  call: async () => {
    const connection = await open()
    const stop = keep(connection)
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue("evertoken-plug", { exclusive: true })
    stop()
    await connection.close()
    return queue
  },
  gives: "evertoken-plug",
  refusal: "repaired",
  ...rabbitSide
})
