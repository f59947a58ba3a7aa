import { createMCPClient } from "@ai-sdk/mcp"
import { mcpSide } from "../harness/mcp.js"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const connect = () => createMCPClient({ transport: { type: "http", url: `${api}/mcp`, fetch: client.fetch } })

let mcp: Awaited<ReturnType<typeof connect>> | undefined

export default plug({
  call: async () => {
    mcp ??= await connect()
    return Object.keys(await mcp.tools())
  },
  gives: ["add"],
  refusal: "repaired",
  ...mcpSide,
  stop: async () => mcp?.close()
})
