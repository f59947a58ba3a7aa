import { assert, describe, it } from "@effect/vitest"
import { InvalidOption, Redacted, TokenStore } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { Effect, Layer } from "effect"
import { LoginFailed, McpAuth, TokenReplaced } from "../src/index.js"
import { begin, finish, prepare, world } from "./sdk.js"

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("did not reject"),
    (error) => error
  )

/** A world in which somebody is logged in by one process. */
const loggedIn = async (clients?: Readonly<Record<string, string>>) => {
  const w = world(clients)
  const auth = w.process()
  const page = await begin(w, auth)
  await finish(w, auth, page)
  return { w, auth, page }
}

describe("McpAuth", () => {
  it("gives the SDK a valid token with issuer and scope, and no refresh token", async () => {
    const { auth } = await loggedIn()
    const tokens = await auth.authProvider.tokens()
    assert.deepInclude(tokens, {
      access_token: "access-1",
      token_type: "Bearer",
      issuer: "https://auth.example.com",
      scope: "read"
    })
    assert.notProperty(tokens, "refresh_token")
    await auth.dispose()
  })

  it("gives the SDK nothing where a person has to log in", async () => {
    const w = world()
    assert.isUndefined(await w.process().authProvider.tokens())
    const { auth, w: dead } = await loggedIn()
    dead.server.revoke()
    await auth.tokens.reject(await auth.tokens.get())
    assert.isUndefined(await auth.authProvider.tokens())
  })

  it("P1: refreshes as the client that logged in, by its secret, at its endpoint, for its resource", async () => {
    const { auth, w } = await loggedIn({ app: "secret" })
    const other = w.process()
    await Promise.all([auth.tokens.refresh(), auth.tokens.get(), other.tokens.get()])
    assert.strictEqual(await other.tokens.token(), await auth.tokens.token())
    assert.deepStrictEqual(
      w.server.log.map(({ by, client, outcome, presented }) => ({ by, client, outcome, presented })),
      [{ by: "refresh", client: "app", outcome: "ok", presented: "refresh-1" }]
    )
    assert.strictEqual(w.forms.at(-1)?.get("resource"), "https://mcp.example.com/mcp")
  })

  it("loses no refresh token to an SDK that saves what it read, to add the issuer", async () => {
    const { auth, w } = await loggedIn()
    const read = await auth.authProvider.tokens()
    if (read === undefined) return assert.fail("no tokens")
    await auth.authProvider.saveTokens({ ...read, issuer: "https://auth.example.com" })
    await auth.tokens.refresh()
    assert.strictEqual(w.server.posts(), 1)
    assert.strictEqual((await auth.authProvider.tokens())?.access_token, "access-2")
  })

  it("P2: invalidateCredentials deletes nothing, and does not touch what another process fetched", async () => {
    const { auth, w } = await loggedIn()
    const other = w.process()
    await auth.authProvider.tokens()
    await other.tokens.refresh()
    const newest = await other.tokens.token()
    for (const scope of ["tokens", "verifier", "discovery", "all"] as const) {
      await auth.authProvider.invalidateCredentials(scope)
    }
    assert.strictEqual((await auth.authProvider.tokens())?.access_token, newest)
    assert.strictEqual(await other.tokens.token(), newest)
    assert.strictEqual(w.server.posts(), 1)
  })

  it("does not offer a client that was invalidated, and still refreshes by it", async () => {
    const { auth, w } = await loggedIn({ app: "secret", second: "secret" })
    await auth.authProvider.invalidateCredentials("client")
    assert.isUndefined(await w.process().authProvider.clientInformation())
    await auth.tokens.refresh()
    assert.deepStrictEqual(w.server.log.at(-1)?.outcome, "ok")
  })

  it("asks for a login, as another client, where the server does not know the client any more", async () => {
    const { auth, w } = await loggedIn({ app: "changed", second: "secret" })
    await auth.tokens.reject(await auth.tokens.get())
    assert.isUndefined(await auth.authProvider.tokens())
    assert.strictEqual(w.server.log.at(-1)?.outcome, "invalid_client")
    const other = w.process()
    const page = await begin(w, other, { client_id: "second", client_secret: "secret" })
    assert.strictEqual(page.searchParams.get("client_id"), "second")
    await finish(w, other, page)
    await other.tokens.refresh()
    assert.deepInclude(w.server.log.at(-1), { client: "second", outcome: "ok" })
  })

  it("finishes each login with its own client and verifier, in whichever process the browser comes back", async () => {
    const w = world()
    const [one, two, third] = [w.process(), w.process(), w.process()]
    const [first, second] = await Promise.all([
      begin(w, one, { client_id: "one", client_secret: "1" }),
      begin(w, two, { client_id: "two", client_secret: "2" })
    ])
    for (const page of [second, first]) {
      const { challenge, client, discovery } = await finish(w, third, page)
      assert.strictEqual(challenge, page.searchParams.get("code_challenge"))
      assert.strictEqual(client?.client_id, page.searchParams.get("client_id"))
      assert.strictEqual(discovery?.authorizationServerMetadata?.issuer, "https://auth.example.com")
    }
  })

  it("keeps apart two logins that one process begins at once", async () => {
    const w = world()
    const auth = w.process()
    const pages = [await prepare(w, auth), await prepare(w, auth)]
    for (const page of pages) await auth.authProvider.redirectToAuthorization(page)
    for (const page of pages) {
      assert.strictEqual((await finish(w, auth, page)).challenge, page.searchParams.get("code_challenge"))
    }
  })

  it("goes on with the registered client at the next login", async () => {
    const { w } = await loggedIn()
    const page = await begin(w, w.process(), { client_id: "another", client_secret: "x" }, "read write")
    assert.strictEqual(page.searchParams.get("client_id"), "app")
  })

  it("presents a client that was registered by hand, and lets the SDK register none", async () => {
    const w = world({ mine: "by hand" })
    const auth = w.process({ client: { client_id: "mine", client_secret: "by hand" } })
    assert.isUndefined(auth.authProvider.saveClientInformation)
    const page = await begin(w, auth)
    assert.strictEqual(page.searchParams.get("client_id"), "mine")
    await finish(w, auth, page)
    await auth.tokens.refresh()
    assert.strictEqual(w.server.log.at(-1)?.outcome, "ok")
    assert.notInclude(`${(await w.row("k#mcp"))?.payload}`, Buffer.from("by hand").toString("base64url"))
  })

  it("does not take a browser that comes back with a state that no login has, an error, or from another server", async () => {
    const w = world()
    const auth = w.process()
    const page = await begin(w, auth)
    const back = (query: string) => caught(auth.callback(`http://127.0.0.1/callback?${query}`))
    const state = page.searchParams.get("state")
    const reasons = []
    for (const query of [
      "code=c&state=forged",
      "code=c",
      `state=${state}`,
      `error=access_denied&state=${state}`,
      `code=c&state=${state}&iss=https://evil.example.com`
    ]) {
      const error = await back(query)
      assert.instanceOf(error, LoginFailed)
      reasons.push(error.reason)
    }
    assert.deepStrictEqual(reasons, ["unknown", "unknown", "unreadable", "refused", "issuer"])
    await finish(w, auth, page)
    assert.instanceOf(await back(`code=c&state=${state}`), LoginFailed)
  })

  it("P12: keeps verifier, state and client sealed, beside the sealed tokens", async () => {
    const w = world()
    const cipher = await Effect.runPromise(
      TokenCipher.make({ current: "a", keys: { a: Redacted.make("A".repeat(43)) } })
    )
    const store = Layer.sync(TokenStore, () => TokenStore.make(w.backend, { cipher }))
    const auth = w.process({ store })
    const page = await begin(w, auth)
    const payload = `${(await w.row("k#mcp"))?.payload}`
    assert.match(payload, /^eyJ/)
    const clear = payload.split(".").map((part) => `${Buffer.from(part, "base64url")}`)
    for (const secret of ["verifier", page.searchParams.get("state") ?? "none", "secret"]) {
      assert.notInclude(clear.join(), secret)
    }
    await finish(w, auth, page)
    assert.strictEqual((await w.process({ store }).authProvider.tokens())?.access_token, "access-1")
  })

  it("P13: takes no server, login, client or store that cannot be meant", () => {
    const w = world()
    const rows: ReadonlyArray<readonly [object, string]> = [
      [{ serverUrl: "http://mcp.example.com" }, "serverUrl"],
      [{ serverURL: "https://mcp.example.com" }, "serverURL"],
      [{ key: "" }, "key"],
      [{ store: undefined }, "store"],
      [{ login: { redirectUrl: "http://127.0.0.1/callback" } }, "login"],
      [{ client: { client_secret: "s" } }, "client"],
      [{ policy: { ahead: "1 minute" } }, "policy"]
    ]
    for (const [options, option] of rows) {
      try {
        w.process(options)
        assert.fail(`took ${option}`)
      } catch (error) {
        assert.instanceOf(error, InvalidOption)
        assert.match(error.option, new RegExp(`^${option}`))
      }
    }
  })
})

describe("McpAuth.fetch", () => {
  const url = "https://mcp.example.com/mcp"
  const call = async (auth: McpAuth) => {
    const tokens = await auth.authProvider.tokens()
    const headers = tokens === undefined ? {} : { authorization: `Bearer ${tokens.access_token}` }
    return auth.fetch(url, { method: "POST", headers, body: "{}" })
  }

  it("P7: replaces a refused token and makes the call again, for any number of calls at once", async () => {
    const { auth, w } = await loggedIn()
    w.server.expire()
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(auth)))
    assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.strictEqual(w.server.posts(), 1)
    assert.strictEqual(w.pages.length, 1)
  })

  it("asks without a token where only a login helps, so that the SDK sees the server's 401", async () => {
    const { auth, w } = await loggedIn()
    w.server.revoke()
    assert.strictEqual((await call(auth)).status, 401)
    assert.isNull(w.sent.at(-1))
    assert.strictEqual((await call(auth)).status, 401)
    assert.strictEqual(w.server.posts(), 1)
  })

  it("P11: sends no token to another origin, and leaves requests without one alone", async () => {
    const { auth, w } = await loggedIn()
    const error = await caught(
      auth.fetch("https://evil.example.com/mcp", { headers: { authorization: "Bearer access-1" } })
    )
    assert.instanceOf(error, InvalidOption)
    await auth.fetch("https://mcp.example.com/token", { method: "POST" })
    await auth.fetch("https://mcp.example.com/token", { headers: { authorization: "Basic x" } })
    assert.deepStrictEqual(w.sent, [null, "Basic x"])
  })

  it("without it, a refused token is replaced before anybody is sent to a login page, and the call says so", async () => {
    const { auth, w } = await loggedIn()
    w.server.expire()
    const error = await caught(begin(w, auth))
    assert.instanceOf(error, TokenReplaced)
    assert.strictEqual(w.pages.length, 1)
    assert.strictEqual((await auth.authProvider.tokens())?.access_token, "access-2")
    // What took its place is refused too: now a person is asked.
    await begin(w, auth)
    assert.strictEqual(w.pages.length, 2)
  })

  it("without it, wider scopes still go to the login page", async () => {
    const { auth, w } = await loggedIn()
    await begin(w, auth, undefined, "read write")
    assert.strictEqual(w.pages.length, 2)
    assert.strictEqual(w.server.posts(), 0)
  })
})
