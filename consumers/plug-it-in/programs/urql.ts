import { Client, fetchExchange, gql } from "@urql/core"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const urql = new Client({
  url: `${api}/graphql`,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetch: client.fetch
})

export default plug({
  call: async () => (await urql.query(gql("{ name }"), {}).toPromise()).data?.name,
  gives: "Ada",
  refusal: "repaired",
  answer: () => ({ body: { data: { name: "Ada" } } })
})
