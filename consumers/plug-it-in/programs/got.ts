import { gotTokens } from "@evertoken/core/adapters"
import got from "got"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const http = got.extend({ prefixUrl: api, hooks: gotTokens(client) })

export default plug({
  call: () => http.post("invoices", { json: { amount: 1 } }).json(),
  gives: { sent: '{"amount":1}' },
  refusal: "repaired",
  answer: ({ body }) => ({ body: { sent: body } })
})
