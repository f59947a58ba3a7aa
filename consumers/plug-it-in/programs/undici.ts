import { TokenRejected } from "@evertoken/core"
import { request } from "undici"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const invoices = () =>
  client.use(async () => {
    const { body, statusCode } = await request(`${api}/invoices`, { headers: await client.header() })
    if (statusCode === 401) throw new TokenRejected()
    return body.json()
  })

export default plug({ call: invoices, gives: ["one"], refusal: "repaired", answer: () => ({ body: ["one"] }) })
