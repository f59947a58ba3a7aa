import { FetchHttpClient } from "@effect/platform"
import { assert, it } from "@effect/vitest"
import { Authority, clients } from "@evertoken/authority"
import { OAuth2, TokenHttpClient, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer } from "effect"

// The userinfo endpoint of a certified server is an API that checks proofs: signature, method, URL, hash and nonce.
it.scopedLive("a bound token is good for an API that wants proofs with nonces, also after it was revoked", () =>
  Effect.gen(function* () {
    const authority = yield* Authority.make({ dpopNonce: true, lifetime: "1 hour" })
    const provider = yield* TokenProvider.make({
      key: "k",
      source: OAuth2.refreshToken({ tokenEndpoint: authority.tokenEndpoint, ...clients.native, dpop: true })
    })
    yield* provider.put(TokenSet.make(yield* authority.mint({ client: "native", scope: "openid offline_access read" })))
    const bound = yield* provider.refresh
    assert.strictEqual(bound.type, "DPoP")

    const http = yield* TokenHttpClient.make({ origins: [authority.issuer], provider: Effect.succeed(provider) })
    const me = Effect.flatMap(http.get(`${authority.issuer}/me`), (response) => response.json)
    assert.deepStrictEqual(yield* me, { sub: "alice" })
    assert.strictEqual((yield* provider.get).generation, bound.generation)

    yield* authority.revoke(bound.value)
    assert.deepStrictEqual(yield* me, { sub: "alice" })
    assert.strictEqual((yield* provider.get).generation, bound.generation + 1)
  }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, MemoryTokenStore.layer)))
)
