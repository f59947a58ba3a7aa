import { TokenRejected } from "@evertoken/core"
import pg from "pg"
import { plug } from "../harness/plug.js"
import { database, postgresSide } from "../harness/postgres.js"
import { client } from "./tokens.js"

const pool = new pg.Pool({ ...database, password: () => client.token() })
const refused = (error: { readonly code?: string }) => {
  throw error.code === "28P01" ? new TokenRejected() : error
}
const query = (text: string) => client.use(() => pool.query(text).catch(refused))

export default plug({
  call: async () => (await query("select 1 as one")).rows,
  gives: [{ one: 1 }],
  refusal: "repaired",
  ...postgresSide,
  stop: () => pool.end()
})
