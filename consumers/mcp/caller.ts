// One process of the night: an MCP client that calls a tool again and again. It says what came of each call, a line of JSON each.
import { createInterface } from "node:readline"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { McpAuth } from "@evertoken/mcp"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { Layer } from "effect"
import { FileProvider } from "./FileProvider.js"
import { type CallerOptions, callForever, type Said } from "./Side.js"

const options: CallerOptions = JSON.parse(process.argv[2] ?? "{}")
const url = new URL(options.url)
const say = (said: Said) => void process.stdout.write(`${JSON.stringify(said)}\n`)
const redirectUrl = "http://127.0.0.1/callback"
const metadata = { client_name: options.side, redirect_uris: [redirectUrl], token_endpoint_auth_method: "none" }
const show = (page: URL) => say({ page: page.href })

const auth =
  options.side === "evertoken"
    ? McpAuth.make({
        key: "greeter:alice",
        serverUrl: url,
        replayWindow: `${options.replayWindow} seconds`,
        store: SqlTokenStore.layer({ encryption: "off" }).pipe(
          Layer.provide(SqliteClient.layer({ filename: `${options.folder}/logins.db` }))
        ),
        login: { redirectUrl, clientMetadata: metadata, redirectToAuthorization: show }
      })
    : undefined
const file = new FileProvider(`${options.folder}/logins.json`, redirectUrl, metadata, show)
const transport = () => new StreamableHTTPClientTransport(url, auth ?? { authProvider: file })

let current = transport()
let client: Client | undefined
const call = async () => {
  if (client === undefined) {
    current = transport()
    const connecting = new Client({ name: options.side, version: "1.0.0" })
    await connecting.connect(current)
    client = connecting
  }
  await client.callTool({ name: "hello" })
}

// The browser of whoever logs in comes back.
createInterface(process.stdin)
  .on("line", async (address) => {
    try {
      await current.finishAuth(
        auth === undefined ? new URL(address).searchParams : (await auth.callback(address)).params
      )
      say({ loggedIn: true })
    } catch (error) {
      say({ loggedIn: false, error: String(error) })
    }
  })
  .once("close", () => process.exit(0))
await callForever(call, options, say)
