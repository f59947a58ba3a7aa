import { TokenRejected } from "@evertoken/core"
import postgres from "postgres"
import { plug } from "../harness/plug.js"
import { database, postgresSide } from "../harness/postgres.js"
import { client } from "./tokens.js"

const connect = () => postgres({ ...database, password: () => client.token() })
const refused = (error: { readonly code?: string }) => {
  throw error.code === "28P01" ? new TokenRejected() : error
}

export default plug({
  call: () =>
    client.use(async () => {
      const sql = connect()
      const rows = await sql`select 1 as one`.catch(refused)
      await sql.end()
      return [...rows]
    }),
  gives: [{ one: 1 }],
  refusal: "repaired",
  ...postgresSide
})
