// The MariaDB or MySQL of this machine, whose user "evertoken_plug" has the newest token as its password.
import { type Connection, createConnection } from "mysql2/promise"
import type { Plug } from "./plug.js"

const url = process.env.EVERTOKEN_TEST_MYSQL_URL ?? "mysql://root@127.0.0.1:3306/test"
const user = "evertoken_plug"
let admin: Connection | undefined

/** How to connect. */
export const mariadb = { host: new URL(url).hostname, port: Number(new URL(url).port || 3306), user }

/** What a program whose far side is MariaDB says. */
export const mariadbSide: Pick<Plug, "accept" | "start" | "stop"> = {
  start: async () => {
    try {
      admin = await createConnection(url)
    } catch {
      return `no MySQL or MariaDB answers at ${url}`
    }
    await admin.query(`create or replace user '${user}'@'%'`)
    return undefined
  },
  accept: async (token) => {
    await admin?.query(`alter user '${user}'@'%' identified by '${token}'`)
  },
  stop: async () => {
    await admin?.query(`drop user '${user}'@'%'`)
    await admin?.end()
  }
}
