// An MCP server with one tool, made of the SDK.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import type { FarSide } from "./far.js"

/** What a program whose far side is an MCP server says. */
export const mcpSide: Pick<FarSide, "serve"> = {
  serve: async (request, response) => {
    if (request.method !== "POST") return response.writeHead(405).end()
    // Stateless, as behind a balancer: each request has a server of its own.
    const server = new McpServer({ name: "far side", version: "1.0.0" })
    server.registerTool("add", { description: "Adds" }, () => ({ content: [{ type: "text", text: "3" }] }))
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    response.once("close", () => void server.close())
    await server.connect(transport as Parameters<typeof server.connect>[0])
    return transport.handleRequest(request, response)
  }
}
