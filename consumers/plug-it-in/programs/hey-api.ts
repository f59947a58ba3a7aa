import { createClient, createConfig } from "@hey-api/client-fetch"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const http = createClient(createConfig({ baseUrl: api, fetch: client.fetch }))

export default plug({
  call: async () => (await http.post({ url: "/invoices", body: { amount: 1 } })).data,
  gives: { sent: '{"amount":1}' },
  refusal: "repaired",
  answer: ({ body }) => ({ body: { sent: body } })
})
