// A real MCP server (the SDK's, streamable HTTP) whose tokens are those of an authorization server, which it introspects.
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { clients } from "@evertoken/authority"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { Redacted } from "effect"

export interface Server {
  readonly url: string
  readonly close: () => void
}

/** Starts an MCP server on the loopback. Its tool `hello` needs the scope `read`, its tool `shout` also `write`. */
export const startServer = async (issuer: string, introspection: string): Promise<Server> => {
  const http = createServer({ keepAliveTimeout: 120_000 })
  http.listen(0, "127.0.0.1")
  await once(http, "listening")
  const address = http.address()
  const origin = `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`
  const url = `${origin}/mcp`
  const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === new URL(metadata).pathname) {
      const described = { resource: url, authorization_servers: [issuer], scopes_supported: ["offline_access", "read"] }
      return void response.setHeader("content-type", "application/json").end(JSON.stringify(described))
    }
    if (request.url !== "/mcp") return void response.writeHead(404).end()
    const scopes = await scopesOf(introspection, request.headers.authorization)
    const challenge = (status: number, error: string, scope: string) =>
      void response
        .writeHead(status, {
          "www-authenticate": `Bearer error="${error}", scope="${scope}", resource_metadata="${metadata}"`
        })
        .end()
    if (scopes === undefined) return challenge(401, "invalid_token", "offline_access read")
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const body = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    if (body?.params?.name === "shout" && !scopes.includes("write")) {
      return challenge(403, "insufficient_scope", "offline_access read write")
    }
    // Stateless: any process may be asked next, as behind a balancer.
    const server = new McpServer({ name: "greeter", version: "1.0.0" })
    server.registerTool("hello", { description: "Greets" }, () => ({ content: [{ type: "text", text: "hello" }] }))
    server.registerTool("shout", { description: "Greets" }, () => ({ content: [{ type: "text", text: "HELLO" }] }))
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    response.once("close", () => void server.close())
    await server.connect(transport as Parameters<typeof server.connect>[0])
    await transport.handleRequest(request, response, body)
  }
  http.on("request", (request, response) => {
    answer(request, response).catch(() => response.headersSent || response.writeHead(500).end())
  })
  return {
    url,
    close: () => {
      http.close()
      http.closeAllConnections()
    }
  }
}

const basic = Buffer.from(`api:${Redacted.value(clients.api.clientSecret)}`).toString("base64")

/** The scopes of the token in `authorization`, as its authorization server says; undefined where it does not hold. */
const scopesOf = async (introspection: string, authorization = ""): Promise<ReadonlyArray<string> | undefined> => {
  const token = /^Bearer (.+)$/i.exec(authorization)?.[1]
  if (token === undefined) return undefined
  const response = await fetch(introspection, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ token })
  })
  const { active, scope = "" } = (await response.json()) as { active?: boolean; scope?: string }
  return active === true ? scope.split(" ") : undefined
}
