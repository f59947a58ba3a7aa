import Anthropic from "@anthropic-ai/sdk"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const anthropic = new Anthropic({ authToken: "unused", baseURL: api, fetch: client.fetch })

export default plug({
  call: async () => (await anthropic.models.list()).data.map(({ id }) => id),
  gives: ["claude"],
  refusal: "repaired",
  answer: () => ({ body: { data: [{ id: "claude" }], has_more: false } })
})
