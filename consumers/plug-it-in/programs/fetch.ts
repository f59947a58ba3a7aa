import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const invoices = () => client.fetch(`${api}/invoices`).then((response) => response.json())

export default plug({ call: invoices, gives: ["one"], refusal: "repaired", answer: () => ({ body: ["one"] }) })
