import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Authority, type AuthorityOptions, clients, lost, unavailable } from "@evertoken/authority"
import { GrantRejected, OAuth2, TokenSet, type TokenSource } from "@evertoken/core"
import { Duration, Effect, Fiber, Redacted } from "effect"
import { exportJWK, exportPKCS8, generateKeyPair } from "jose"

describe("a real authorization server", () => {
  it.scopedLive("issues tokens for client credentials, by basic and by post", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      for (const clientAuthentication of ["basic", "basicRaw"] as const) {
        const source = yield* OAuth2.clientCredentials({ ...endpoints, ...clients.billing, clientAuthentication })
        yield* isToken(yield* login(source))
      }
      assert.deepStrictEqual(
        (yield* authority.tokenRequests).map(({ client, outcome }) => [client, outcome]),
        [
          ["billing", "ok"],
          ["billing", "ok"]
        ]
      )
    }).pipe(withFetch)
  )

  it.scopedLive("rotates a refresh token, and refuses it once it is revoked", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      const source = yield* OAuth2.refreshToken({ ...endpoints, ...clients.app })
      const minted = yield* authority.mint()
      const refreshed = yield* refresh(source, TokenSet.make(minted))
      yield* isToken(refreshed)
      assert.notStrictEqual(open(refreshed.refreshToken), open(minted.refreshToken))
      assert.isDefined(source.revoke)
      yield* source.revoke?.(refreshed) ?? Effect.void
      const error = yield* Effect.flip(refresh(source, refreshed))
      assert.deepInclude(error, { _tag: "GrantRejected", code: "invalid_grant", status: 400 })
    }).pipe(withFetch)
  )

  it.scopedLive("tells a lost answer from a server that is down", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      const source = yield* OAuth2.clientCredentials({ ...endpoints, ...clients.billing })
      yield* authority.break(unavailable, 1)
      assert.deepInclude(yield* Effect.flip(login(source)), {
        _tag: "TokenEndpointError",
        reason: "unavailable",
        status: 503
      })
      yield* authority.break(lost(0), 1)
      assert.deepInclude(yield* Effect.flip(login(source)), { _tag: "TokenEndpointError", reason: "disconnected" })
      const wrong = yield* OAuth2.clientCredentials({
        ...endpoints,
        ...clients.billing,
        clientSecret: Redacted.make("wrong")
      })
      assert.deepInclude(yield* Effect.flip(login(wrong)), {
        _tag: "ClientRejected",
        code: "invalid_client",
        status: 401
      })
    }).pipe(withFetch)
  )

  it.scopedLive("accepts a client that signs its own assertion, a new one each time", () =>
    Effect.gen(function* () {
      for (const [algorithm, form] of [
        ["ES256", "jwk"],
        ["RS256", "pem"],
        ["EdDSA", "jwk"],
        ["PS256", "pem"]
      ] as const) {
        const keys = yield* Effect.promise(() => generateKeyPair(algorithm, { extractable: true }))
        const privateJwk = yield* Effect.promise(() => exportJWK(keys.privateKey))
        const publicJwk = yield* Effect.promise(() => exportJWK(keys.publicKey))
        const pem = yield* Effect.promise(() => exportPKCS8(keys.privateKey))
        const { endpoints } = yield* startWith([
          {
            client_id: "signer",
            grant_types: ["client_credentials"],
            redirect_uris: [],
            response_types: [],
            token_endpoint_auth_method: "private_key_jwt",
            token_endpoint_auth_signing_alg: algorithm,
            jwks: { keys: [{ ...publicJwk, kid: "k1", alg: algorithm }] }
          }
        ])
        const key = Redacted.make(
          form === "pem" ? pem : JSON.stringify({ ...privateJwk, kid: "k1", key_ops: ["sign"], use: "sig" })
        )
        const source = yield* OAuth2.clientCredentials({
          ...endpoints,
          clientId: "signer",
          privateKey: { key, algorithm, keyId: "k1" }
        })
        yield* isToken(yield* login(source))
        yield* isToken(yield* login(source)) // the server refuses a jti that it has seen
      }
    }).pipe(withFetch)
  )

  it.scopedLive("issues tokens for an assertion that the source signs", () =>
    Effect.gen(function* () {
      const keys = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
      const { endpoints } = yield* startWith([
        {
          client_id: "robot",
          client_secret: "robot-secret",
          grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
          redirect_uris: [],
          response_types: [],
          jwks: { keys: [yield* Effect.promise(() => exportJWK(keys.publicKey))] }
        }
      ])
      const source = yield* OAuth2.jwtBearer({
        ...endpoints,
        clientId: "robot",
        clientSecret: Redacted.make("robot-secret"),
        signingKey: { key: Redacted.make(JSON.stringify(yield* Effect.promise(() => exportJWK(keys.privateKey)))) },
        subject: "alice",
        scope: "read"
      })
      const tokens = yield* login(source)
      yield* isToken(tokens)
      assert.deepStrictEqual(tokens.scopes, ["read"])
    }).pipe(withFetch)
  )

  it.scopedLive("exchanges one token for another", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      const { accessToken } = yield* authority.mint()
      const source = yield* OAuth2.tokenExchange({
        ...endpoints,
        ...clients.app,
        subjectToken: Effect.succeed(accessToken)
      })
      const tokens = yield* login(source)
      yield* isToken(tokens)
      assert.notStrictEqual(open(tokens.accessToken), open(accessToken))
    }).pipe(withFetch)
  )

  it.scopedLive("gives a person tokens in a browser, once, and only for the login that was started", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      const source = yield* OAuth2.authorizationCode({
        ...endpoints,
        ...clients.app,
        redirectUri: "http://127.0.0.1/callback",
        scope: ["openid", "offline_access", "read"],
        authorizationParameters: { prompt: "consent" }
      })
      const started = yield* source.authorize()
      const callback = yield* authority.login(started.url)
      const other = yield* source.authorize()
      assert.deepInclude(yield* Effect.flip(source.exchange(callback, other)), {
        _tag: "GrantRejected",
        code: "invalid_response"
      })
      const tokens = yield* source.exchange(callback, started)
      yield* isToken(tokens)
      yield* isToken(yield* refresh(source, tokens))
      assert.deepInclude(yield* Effect.flip(source.exchange(callback, started)), {
        _tag: "GrantRejected",
        code: "invalid_grant"
      })
      const declined = new URL(callback)
      declined.searchParams.delete("code")
      declined.searchParams.set("error", "access_denied")
      assert.deepInclude(yield* Effect.flip(source.exchange(declined, started)), {
        _tag: "GrantRejected",
        code: "access_denied"
      })
    }).pipe(withFetch)
  )

  it.scopedLive("gives a person tokens by another device", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      const source = yield* OAuth2.deviceAuthorization({
        ...endpoints,
        ...clients.native,
        scope: "openid offline_access read"
      })
      const code = { ...(yield* source.start), interval: Duration.millis(100) }
      assert.match(code.verificationUri, /^http:\/\/127/)
      const waiting = yield* Effect.fork(source.wait(code))
      yield* Effect.sleep("250 millis")
      assert.isTrue(yield* authority.approve(code.userCode))
      const tokens = yield* Fiber.join(waiting)
      yield* isToken(tokens)
      yield* isToken(yield* refresh(source, tokens))
      const declined = { ...(yield* source.start), interval: Duration.millis(100) }
      assert.isTrue(yield* authority.deny(declined.userCode))
      assert.deepInclude(
        yield* Effect.flip(source.wait(declined)),
        new GrantRejected({ code: "access_denied", status: 400 })
      )
    }).pipe(withFetch)
  )

  it.scopedLive("binds tokens to a key, through a login, a refresh and the nonces that the server wants", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({
        dpopNonce: true,
        clients: [
          {
            client_id: "bound",
            client_secret: "bound-secret",
            grant_types: ["client_credentials"],
            redirect_uris: [],
            response_types: [],
            dpop_bound_access_tokens: true
          }
        ]
      })
      const { tokenEndpoint } = authority
      const bound = { clientId: "bound", clientSecret: Redacted.make("bound-secret") }
      const source = yield* OAuth2.clientCredentials({ tokenEndpoint, ...bound, dpop: true })
      const first = yield* login(source)
      const second = yield* login(source)
      assert.deepStrictEqual([first.tokenType, second.tokenType], ["DPoP", "DPoP"])
      assert.notStrictEqual(open(first.proofKey), open(second.proofKey))
      assert.deepStrictEqual(
        (yield* authority.tokenRequests).map(({ error, outcome }) => [outcome, error]),
        [
          ["refused", "use_dpop_nonce"],
          ["ok", undefined],
          ["ok", undefined]
        ]
      )
      const app = yield* OAuth2.refreshToken({ tokenEndpoint, ...clients.native, dpop: true })
      const once = yield* refresh(app, TokenSet.make(yield* authority.mint({ client: "native" })))
      const twice = yield* refresh(app, once)
      assert.strictEqual(twice.tokenType, "DPoP")
      assertEquals(twice.proofKey, once.proofKey)
    }).pipe(withFetch)
  )

  it.scopedLive("tells its endpoints, and nobody else's", () =>
    Effect.gen(function* () {
      const { authority, endpoints } = yield* start
      assert.strictEqual(endpoints.tokenEndpoint, authority.tokenEndpoint)
      assert.strictEqual(endpoints.revocationEndpoint, authority.revocationEndpoint)
      const other = yield* Effect.flip(OAuth2.discover(authority.issuer.replace("127.0.0.1", "localhost")))
      assert.strictEqual(other._tag, "TokenEndpointError")
    }).pipe(withFetch)
  )
})

const withFetch = Effect.provide(FetchHttpClient.layer)

const startWith = Effect.fnUntraced(function* (more: AuthorityOptions["clients"]) {
  const authority = yield* Authority.make({ lifetime: "60 seconds", clients: more })
  return { authority, endpoints: yield* OAuth2.discover(authority.issuer) }
})
const start = startWith([])

const login = (source: TokenSource) => source.login ?? Effect.dieMessage("the source has no login")

const refresh = (source: TokenSource, tokens: TokenSet) =>
  source.refresh?.(tokens) ?? Effect.dieMessage("the source has no refresh")

const open = (secret: Redacted.Redacted | undefined) => secret && Redacted.value(secret)

const isToken = ({ accessToken, expiresIn }: TokenSet) =>
  Effect.sync(() => {
    assert.isAbove(Redacted.value(accessToken).length, 20)
    assert.isDefined(expiresIn)
  })
