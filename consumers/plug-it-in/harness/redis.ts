// A Redis of its own, whose user "app" has the newest token as its password.
import { createClient } from "@redis/client"
import { freePort } from "../../../test/freePort.js"
import type { Plug } from "./plug.js"
import { startServer } from "./server.js"

const port = await freePort()

/** Where it is. */
export const redisUrl = `redis://127.0.0.1:${port}`
const admin = createClient({ url: redisUrl })
let stop = () => {}

/** What a program whose far side is Redis says. */
export const redisSide: Pick<Plug, "accept" | "start" | "stop"> = {
  start: async () => {
    const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", ""]
    const server = await startServer("redis-server", args, /Ready to accept connections/)
    if (server === undefined) return "redis-server is not installed"
    stop = () => server.child.kill()
    await admin.connect()
    return undefined
  },
  accept: async (token) => {
    await admin.sendCommand(["ACL", "SETUSER", "app", "reset", "on", `>${token}`, "+@all", "~*"])
  },
  stop: async () => {
    admin.destroy()
    stop()
  }
}
