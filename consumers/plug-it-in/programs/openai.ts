import OpenAI from "openai"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const openai = new OpenAI({ apiKey: "unused", baseURL: api, fetch: client.fetch })

export default plug({
  call: async () => (await openai.models.list()).data.map(({ id }) => id),
  gives: ["gpt"],
  refusal: "repaired",
  answer: () => ({ body: { object: "list", data: [{ id: "gpt" }] } })
})
