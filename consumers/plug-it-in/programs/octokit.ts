import { Octokit } from "@octokit/core"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const octokit = new Octokit({ baseUrl: api, request: { fetch: client.fetch } })

export default plug({
  call: async () => (await octokit.request("GET /user")).data.login,
  gives: "ada",
  refusal: "repaired",
  answer: () => ({ body: { login: "ada" } })
})
