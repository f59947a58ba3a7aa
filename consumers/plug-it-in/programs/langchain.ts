import { loadMcpTools } from "@langchain/mcp-adapters"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { mcpSide } from "../harness/mcp.js"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const mcp = new Client({ name: "app", version: "1.0.0" })
const transport = new StreamableHTTPClientTransport(new URL(`${api}/mcp`), { fetch: client.fetch })
const connect = () => mcp.connect(transport).then(() => loadMcpTools("calculator", mcp)) // for createAgent({ model, tools })

let tools: Awaited<ReturnType<typeof connect>> | undefined

export default plug({
  call: async () => {
    tools ??= await connect()
    return tools[0]?.invoke({})
  },
  gives: "3",
  refusal: "repaired",
  ...mcpSide,
  stop: () => mcp.close()
})
