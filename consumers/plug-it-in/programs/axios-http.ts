import { axiosTokens } from "@evertoken/core/adapters"
import axios from "axios"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const http = axiosTokens(axios.create({ baseURL: api, adapter: "http" }), client)

export default plug({
  call: async () => (await http.post("/invoices", { amount: 1 })).data,
  gives: { sent: '{"amount":1}' },
  refusal: "repaired",
  answer: ({ body }) => ({ body: { sent: body } })
})
