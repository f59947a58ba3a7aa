import { TokenRejected } from "@evertoken/core"
import { createConnection } from "mysql2/promise"
import { mariadb, mariadbSide } from "../harness/mariadb.js"
import { plug } from "../harness/plug.js"
import { client } from "./tokens.js"

const refused = (error: { readonly code?: string }) => {
  throw error.code === "ER_ACCESS_DENIED_ERROR" ? new TokenRejected() : error
}
const connect = () =>
  client.use(async () => createConnection({ ...mariadb, password: await client.token() }).catch(refused))

export default plug({
  call: async () => {
    const connection = await connect()
    const [rows] = await connection.query("select 1 as one")
    await connection.end()
    return rows
  },
  gives: [{ one: 1 }],
  refusal: "repaired",
  ...mariadbSide
})
