import Stripe from "stripe"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const { hostname: host, port, protocol } = new URL(api)
const httpClient = Stripe.createFetchHttpClient(client.fetch)
const stripe = new Stripe("unused", { host, port, protocol: protocol === "http:" ? "http" : "https", httpClient })

export default plug({
  call: async () => (await stripe.customers.list()).data,
  gives: [],
  refusal: "repaired",
  answer: () => ({ body: { object: "list", data: [] } })
})
