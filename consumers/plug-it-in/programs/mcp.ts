import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { mcpSide } from "../harness/mcp.js"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const mcp = new Client({ name: "app", version: "1.0.0" })
const transport = new StreamableHTTPClientTransport(new URL(`${api}/mcp`), { fetch: client.fetch })

export default plug({
  call: async () => {
    if (mcp.transport === undefined) await mcp.connect(transport)
    return (await mcp.listTools()).tools.map(({ name }) => name)
  },
  gives: ["add"],
  refusal: "repaired",
  ...mcpSide,
  stop: () => mcp.close()
})
