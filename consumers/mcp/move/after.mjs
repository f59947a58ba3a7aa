import { McpAuth } from "@evertoken/mcp"
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { comesBack } from "./browser.mjs"
import { FileProvider } from "./provider.mjs"
import { store } from "./store.mjs"

const url = new URL(process.env.MCP_URL)
const provider = new FileProvider("login.json")
const auth = McpAuth.make({ key: "greeter", serverUrl: url, store, login: provider })
const open = () => new StreamableHTTPClientTransport(url, auth)

let client = new Client({ name: "my-script", version: "1.0.0" })
let transport = open()
try {
  await client.connect(transport)
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error
  const callback = await comesBack(provider.redirectUrl)
  await transport.finishAuth((await auth.callback(callback)).code)
  client = new Client({ name: "my-script", version: "1.0.0" })
  transport = open()
  await client.connect(transport)
}
console.log((await client.callTool({ name: "hello" })).content)
await client.close()
