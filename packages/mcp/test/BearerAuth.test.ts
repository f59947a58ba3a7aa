import { assert, describe, it } from "@effect/vitest"
import { OAuth2, TokenClient } from "@evertoken/core"
import { FakeAuthorizationServer } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { bearerAuth } from "../src/index.js"

const client = () => {
  const server = FakeAuthorizationServer.make()
  const source = OAuth2.refreshToken({ tokenEndpoint: server.tokenEndpoint, clientId: "app" })
  const tokens = TokenClient.make({ key: "k", source, store: MemoryTokenStore.layer, http: server.layer })
  return { server, tokens, login: () => tokens.put(server.login()) }
}

describe("bearerAuth", () => {
  it("P7: any number of calls that are refused at once cost one refresh", async () => {
    const { login, server, tokens } = client()
    await login()
    const auth = bearerAuth(tokens)
    assert.deepStrictEqual(await Promise.all([auth.token(), auth.token(), auth.token()]), Array(3).fill("access-1"))
    for (let call = 0; call < 3; call++) {
      await auth.onUnauthorized()
      assert.strictEqual(await auth.token(), "access-2")
    }
    assert.strictEqual(server.posts(), 1)
  })

  it("rejects by generation: a token that came meanwhile is not replaced", async () => {
    const { login, server, tokens } = client()
    await login()
    const auth = bearerAuth(tokens)
    await auth.token()
    await tokens.refresh()
    await auth.onUnauthorized()
    assert.strictEqual(await auth.token(), "access-2")
    assert.strictEqual(server.posts(), 1)
  })
})
