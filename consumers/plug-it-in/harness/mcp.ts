// An MCP server with one tool, as far as the first calls of a client need it.
import type { Answer, Received } from "./far.js"

export const mcpAnswer = ({ body, method }: Received): Answer => {
  if (method !== "POST") return { status: 405, body: "" }
  const { id, method: asked, params } = JSON.parse(body)
  if (id === undefined) return { status: 202, body: "" }
  const results: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: params?.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "far side", version: "1.0.0" }
    },
    "tools/list": { tools: [{ name: "add", inputSchema: { type: "object", properties: {} } }] }
  }
  return { body: { jsonrpc: "2.0", id, result: results[asked] ?? {} } }
}
