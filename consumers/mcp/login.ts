// A login from nothing with each SDK: discovery, registration, the login page, the code, calls, a refused token, more scopes.
import assert from "node:assert/strict"
import { Authority } from "@evertoken/authority"
import { type Callback, LoginFailed, McpAuth } from "@evertoken/mcp"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from "@modelcontextprotocol/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { startServer } from "./server.js"

const scope = Effect.runSync(Scope.make())
const authority = await Effect.runPromise(Scope.extend(Authority.make({ lifetime: "1 hour" }), scope))
const server = await startServer(authority.issuer, authority.introspectionEndpoint)
const url = new URL(server.url)

/** Whatever the SDK, the same few methods. */
interface Session {
  readonly connect: () => Promise<void>
  readonly finish: (callback: Callback) => Promise<void>
  readonly call: (name: string) => Promise<unknown>
}

const sdks: Readonly<Record<string, (auth: McpAuth) => Session>> = {
  "@modelcontextprotocol/sdk": (auth) => {
    let client = new Client({ name: "login", version: "1.0.0" })
    let transport = new StreamableHTTPClientTransport(url, auth)
    return {
      connect: () => {
        client = new Client({ name: "login", version: "1.0.0" })
        transport = new StreamableHTTPClientTransport(url, auth)
        return client.connect(transport as Parameters<typeof client.connect>[0])
      },
      finish: ({ code }) => transport.finishAuth(code),
      call: (name) => client.callTool({ name })
    }
  },
  "@modelcontextprotocol/client": (auth) => {
    let client = new NewClient({ name: "login", version: "1.0.0" })
    let transport = new NewTransport(url, auth)
    return {
      connect: () => {
        client = new NewClient({ name: "login", version: "1.0.0" })
        transport = new NewTransport(url, auth)
        return client.connect(transport)
      },
      finish: ({ params }) => transport.finishAuth(params),
      call: (name) => client.callTool({ name })
    }
  }
}

const text = (result: unknown) => JSON.stringify(result)
const kinds = async () =>
  (await Effect.runPromise(authority.tokenRequests)).map(({ grantType, outcome }) => `${grantType} ${outcome}`)

for (const [name, open] of Object.entries(sdks)) {
  await Effect.runPromise(authority.clear)
  const context = await Effect.runPromise(Scope.extend(Layer.build(MemoryTokenStore.layer), scope))
  const pages: Array<URL> = []
  const make = (client?: { readonly client_id: string }) =>
    McpAuth.make({
      key: client === undefined ? "greeter:alice" : "greeter:bob",
      client,
      serverUrl: url,
      store: Layer.succeedContext(context),
      login: {
        redirectUrl: "http://127.0.0.1/callback",
        clientMetadata: {
          client_name: "login",
          redirect_uris: ["http://127.0.0.1/callback"],
          token_endpoint_auth_method: "none",
          grant_types: ["authorization_code", "refresh_token"],
          application_type: "native"
        },
        redirectToAuthorization: (page) => void pages.push(page)
      }
    })
  const browse = () => Effect.runPromise(authority.login(`${pages.at(-1)}`))

  // One process begins, another one is where the browser comes back to.
  const auth = make()
  const session = open(auth)
  await assert.rejects(session.connect(), /Unauthorized/)
  assert.equal(pages.length, 1)
  await assert.rejects(auth.callback("http://127.0.0.1/callback?code=x&state=forged"), LoginFailed)
  const callback = await browse()
  const other = make()
  const back = open(other)
  await back.finish(await other.callback(callback))
  await back.connect()
  assert.match(text(await back.call("hello")), /hello/)
  assert.deepEqual(await kinds(), ["authorization_code ok"])
  assert.equal("refresh_token" in ((await other.authProvider.tokens()) ?? {}), false)

  // The process that began sees the tokens, which nobody gave it.
  await session.connect()
  assert.match(text(await session.call("hello")), /hello/)

  // A token that the server refuses is replaced, once, and nobody logs in again.
  await Effect.runPromise(authority.revoke(Redacted.make(await auth.tokens.token())))
  assert.match(text(await session.call("hello")), /hello/)
  assert.match(text(await back.call("hello")), /hello/)
  assert.deepEqual(await kinds(), ["authorization_code ok", "refresh_token ok"])
  assert.equal(pages.length, 1)

  // A client that was registered by hand. More scopes need a person: a new login.
  const registered = make({ client_id: "native" })
  const wider = open(registered)
  await assert.rejects(wider.connect(), /Unauthorized/)
  await wider.finish(await registered.callback(await browse()))
  await wider.connect()
  await assert.rejects(wider.call("shout"), /Unauthorized/)
  assert.deepEqual(
    pages.slice(1).map(({ searchParams }) => searchParams.get("client_id")),
    ["native", "native"]
  )
  await wider.finish(await registered.callback(await browse()))
  assert.match(text(await wider.call("shout")), /HELLO/)
  await Effect.runPromise(authority.revoke(Redacted.make(await registered.tokens.token())))
  assert.match(text(await wider.call("shout")), /HELLO/)
  assert.equal(pages.length, 3)

  // The person takes the grant back: the next call asks for a login, and no other process is harmed.
  await registered.tokens.forget()
  await assert.rejects(wider.call("hello"), /Unauthorized/)
  assert.equal(pages.length, 4)
  assert.match(text(await back.call("hello")), /hello/)

  await registered.dispose()
  await auth.dispose()
  await other.dispose()
  console.log(`${name}: logged in, shared, repaired, stepped up`)
}
server.close()
await Effect.runPromise(Scope.close(scope, Exit.void))
