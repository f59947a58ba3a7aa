import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createHttpHeaders,
  createPipelineRequest
} from "@azure/core-rest-pipeline"
import { tokenCredential } from "@evertoken/core/adapters"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const credential = tokenCredential(client) // for any client of Azure: new SecretClient(url, credential)

// What these clients make of it. They send it by https only, so the far side is behind an address of that kind.
const pipeline = createEmptyPipeline()
pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: "https://vault.azure.net/.default" }))

export default plug({
  call: async () => {
    const { status } = await pipeline.sendRequest(
      {
        sendRequest: async (request) => {
          const { headers, status } = await fetch(`${api}/secrets`, { headers: request.headers.toJSON() })
          return { request, status, headers: createHttpHeaders(Object.fromEntries(headers)) }
        }
      },
      createPipelineRequest({ url: "https://vault.example.com/secrets" })
    )
    if (status !== 200) throw new Error(`${status}`)
    return status
  },
  gives: 200,
  refusal: "repaired",
  refuse: () => ({
    status: 401,
    headers: { "www-authenticate": `Bearer error="insufficient_claims", claims="${btoa('{"access_token":{}}')}"` },
    body: {}
  })
})
