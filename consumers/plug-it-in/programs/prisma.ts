import { TokenRejected } from "@evertoken/core"
import { PrismaPg } from "@prisma/adapter-pg"
import { plug } from "../harness/plug.js"
import { database, postgresSide } from "../harness/postgres.js"
import { client } from "./tokens.js"

const adapter = new PrismaPg({ ...database, password: () => client.token() }) // new PrismaClient({ adapter })
const refused = (error: { readonly cause?: { readonly kind?: string } }) => {
  throw error.cause?.kind === "AuthenticationFailed" ? new TokenRejected() : error
}

export default plug({
  call: () =>
    client.use(async () => {
      const connection = await adapter.connect()
      const query = { sql: "select 1 as one", args: [], argTypes: [] }
      return connection
        .queryRaw(query)
        .then(({ rows }) => rows, refused)
        .finally(() => connection.dispose())
    }),
  gives: [[1]],
  refusal: "repaired",
  ...postgresSide
})
