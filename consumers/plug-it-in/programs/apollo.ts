import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const apollo = new ApolloClient({
  cache: new InMemoryCache(),
  link: new HttpLink({ uri: `${api}/graphql`, fetch: client.fetch })
})

export default plug({
  call: async () => (await apollo.query({ query: gql("{ name }"), fetchPolicy: "network-only" })).data,
  gives: { name: "Ada" },
  refusal: "repaired",
  answer: () => ({ body: { data: { name: "Ada" } } })
})
