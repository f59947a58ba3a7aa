import { WebClient } from "@slack/web-api"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const slack = new WebClient(undefined, { slackApiUrl: `${api}/api/`, fetch: client.fetch })

export default plug({
  call: async () => (await slack.auth.test()).user,
  gives: "ada",
  refusal: "repaired",
  answer: () => ({ body: { ok: true, user: "ada" } })
})
