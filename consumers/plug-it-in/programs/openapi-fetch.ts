import createClient from "openapi-fetch"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

type Paths = {
  "/invoices": { get: { responses: { 200: { content: { "application/json": ReadonlyArray<string> } } } } }
}
const http = createClient<Paths>({ baseUrl: api, fetch: client.fetch })

export default plug({
  call: async () => (await http.GET("/invoices")).data,
  gives: ["one"],
  refusal: "repaired",
  answer: () => ({ body: ["one"] })
})
