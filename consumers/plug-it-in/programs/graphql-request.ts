import { GraphQLClient } from "graphql-request"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const graphql = new GraphQLClient(`${api}/graphql`, { fetch: client.fetch })

export default plug({
  call: () => graphql.request("{ me { name } }"),
  gives: { me: { name: "Ada" } },
  refusal: "repaired",
  answer: () => ({ body: { data: { me: { name: "Ada" } } } })
})
