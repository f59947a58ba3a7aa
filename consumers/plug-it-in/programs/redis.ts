import { redisCredentials } from "@evertoken/core/adapters"
import { createClient } from "@redis/client"
import { plug } from "../harness/plug.js"
import { redisSide, redisUrl } from "../harness/redis.js"
import { client } from "./tokens.js"

const open = () =>
  createClient({ url: redisUrl, credentialsProvider: redisCredentials(client, "app") }).on("error", (error: Error) => {
    if (error.message.startsWith("WRONGPASS")) client.reject() // it connects again by itself, with a newer one
  })

export default plug({
  call: async () => {
    const redis = await open().connect()
    const pong = await redis.ping()
    redis.destroy()
    return pong
  },
  gives: "PONG",
  refusal: "repaired",
  ...redisSide
})
