// The RabbitMQ of this machine, whose user "evertoken_plug" has the newest token as its password.
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { connect } from "amqplib"
import type { Plug } from "./plug.js"

const username = "evertoken_plug"
const control = (...args: ReadonlyArray<string>) => promisify(execFile)("rabbitmqctl", ["-q", ...args])

/** How to connect. */
export const rabbit = { hostname: "127.0.0.1", username }

/** What a program whose far side is RabbitMQ says. */
export const rabbitSide: Pick<Plug, "accept" | "start" | "stop"> = {
  start: async () => {
    try {
      await (await connect("amqp://guest:guest@127.0.0.1")).close()
      await control("add_user", username, "none")
    } catch (error) {
      return `no RabbitMQ that this user may change is on this machine (${error instanceof Error ? error.message.split("\n")[0] : error})`
    }
    await control("set_permissions", username, ".*", ".*", ".*")
    return undefined
  },
  accept: async (token) => {
    await control("change_password", username, token)
  },
  stop: () => control("delete_user", username)
}
