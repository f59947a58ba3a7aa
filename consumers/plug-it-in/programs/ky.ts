import ky from "ky"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const http = ky.create({ prefixUrl: api, fetch: client.fetch })

export default plug({
  call: () => http.post("invoices", { json: { amount: 1 } }).json(),
  gives: { sent: '{"amount":1}' },
  refusal: "repaired",
  answer: ({ body }) => ({ body: { sent: body } })
})
