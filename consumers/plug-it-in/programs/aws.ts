import { BedrockClient, ListFoundationModelsCommand } from "@aws-sdk/client-bedrock"
import { TokenRejected } from "@evertoken/core"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const bedrock = new BedrockClient({
  ...{ region: "eu-west-1", endpoint: api },
  authSchemePreference: ["httpBearerAuth"],
  token: async () => ({ token: await client.token(), expiration: new Date() }) // asked before each request
})
const refused = (error: { readonly $metadata?: { readonly httpStatusCode?: number } }) => {
  throw error.$metadata?.httpStatusCode === 401 ? new TokenRejected() : error
}
const models = () => client.use(() => bedrock.send(new ListFoundationModelsCommand({})).catch(refused))

export default plug({
  call: async () => (await models()).modelSummaries,
  gives: [],
  refusal: "repaired",
  answer: () => ({ body: { modelSummaries: [] } })
})
