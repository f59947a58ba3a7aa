import { assert, describe, it } from "@effect/vitest"
import { OAuth2, type SourceError, TokenProvider, TokenSet, type TokenSource } from "@evertoken/core"
import { assertNoReuse, assertSameToken, type FakeAnswer, FakeAuthorizationServer } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Duration, Effect, Fiber, Layer, Redacted, TestClock } from "effect"

const secret = "s+/:%"
const make = (more: Parameters<typeof FakeAuthorizationServer.make>[0] = {}) => {
  const server = FakeAuthorizationServer.make({ clients: { app: secret, phone: undefined }, ...more })
  const { authorizationEndpoint, deviceAuthorizationEndpoint, issuer, revocationEndpoint, tokenEndpoint } = server
  const client = { clientId: "app", clientSecret: Redacted.make(secret) }
  const app = { ...client, issuer, tokenEndpoint, revocationEndpoint }
  return { server, app, authorizationEndpoint, deviceAuthorizationEndpoint, on: Effect.provide(server.layer) }
}

describe("all grants that core speaks", () => {
  it.effect("client credentials, by each way to authenticate; a wrong secret and an unknown client are refused", () =>
    Effect.gen(function* () {
      const { app, on, server } = make()
      for (const clientAuthentication of ["basic", "basicRaw", "post"] as const) {
        const { accessToken, refreshToken } = yield* login(
          yield* on(OAuth2.clientCredentials({ ...app, clientAuthentication }))
        )
        assert.isTrue(yield* server.accepts(accessToken))
        assert.isUndefined(refreshToken)
      }
      for (const wrong of [{ clientSecret: Redacted.make("wrong") }, { clientId: "nobody" }]) {
        const error = yield* Effect.flip(login(yield* on(OAuth2.clientCredentials({ ...app, ...wrong }))))
        assert.deepInclude(error, { _tag: "ClientRejected", code: "invalid_client", status: 401 })
      }
      assert.deepStrictEqual(
        server.log.map(({ client, outcome }) => `${client} ${outcome}`),
        ["app ok", "app ok", "app ok", "app invalid_client", "nobody invalid_client"]
      )
    })
  )

  it.effect("refresh tokens rotate; one that comes again ends its grant, and a logout does too", () =>
    Effect.gen(function* () {
      const { app, on, server } = make()
      const source = yield* on(OAuth2.refreshToken(app))
      const first = server.login()
      const second = yield* refresh(source, first)
      assertSameToken(second.refreshToken, "refresh-2")
      assertNoReuse(server)
      assert.deepInclude(yield* Effect.flip(refresh(source, first)), { _tag: "GrantRejected", code: "invalid_grant" })
      assert.deepInclude(yield* Effect.flip(refresh(source, second)), { _tag: "GrantRejected" })
      assert.strictEqual(server.reuses(), 1)
      assert.isFalse(yield* server.accepts(second.accessToken), "its access tokens have ended too")
      const other = server.login()
      yield* source.revoke?.(other) ?? Effect.void
      assert.deepInclude(yield* Effect.flip(refresh(source, other)), { _tag: "GrantRejected" })
      assert.deepInclude(server.log.at(-2), { by: "revoke", presented: "refresh-3", outcome: "ok", client: "app" })
    })
  )

  it.effect("inside the replay window a refresh token gives the same tokens again", () =>
    Effect.gen(function* () {
      const { app, on, server } = make({ replayWindow: "30 seconds" })
      const source = yield* on(OAuth2.refreshToken(app))
      const first = server.login()
      const second = yield* refresh(source, first)
      yield* TestClock.adjust("30 seconds")
      assertSameToken(yield* refresh(source, first), second)
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Effect.flip(refresh(source, first)), { _tag: "GrantRejected" })
      assert.strictEqual(server.reuses(), 1)
    })
  )

  it.effect("an authorization code, with PKCE, once", () =>
    Effect.gen(function* () {
      const { app, authorizationEndpoint, on, server } = make()
      const redirectUri = "https://app.example.com/callback"
      const source = yield* on(OAuth2.authorizationCode({ ...app, authorizationEndpoint, redirectUri }))
      const started = yield* source.authorize()
      const callback = server.visit(started.url)
      const stolen = { ...started, verifier: Redacted.make("another") }
      assert.deepInclude(yield* Effect.flip(source.exchange(callback, stolen)), { code: "invalid_grant" })
      const tokens = yield* source.exchange(callback, started)
      assert.isTrue(yield* server.accepts(tokens.accessToken))
      assertSameToken((yield* refresh(source, tokens)).refreshToken, "refresh-2")
      assert.deepInclude(yield* Effect.flip(source.exchange(callback, started)), { code: "invalid_grant" })
      const declined = yield* Effect.flip(source.exchange(server.visit(started.url, false), started))
      assert.deepInclude(declined, { _tag: "GrantRejected", code: "access_denied" })
    })
  )

  it.effect("a device code: pending until the person agreed, or did not", () =>
    Effect.gen(function* () {
      const { deviceAuthorizationEndpoint, on, server } = make()
      const { tokenEndpoint } = server
      const phone = { clientId: "phone", tokenEndpoint, deviceAuthorizationEndpoint }
      const source = yield* on(OAuth2.deviceAuthorization(phone))
      for (const agrees of [true, false]) {
        const code = yield* source.start
        const waiting = yield* Effect.fork(Effect.either(source.wait(code)))
        yield* TestClock.adjust("12 seconds")
        server.enter(code.userCode, agrees)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(waiting))._tag, agrees ? "Right" : "Left")
        const outcomes = server.log.slice(-3).map(({ outcome }) => outcome)
        assert.deepStrictEqual(outcomes, [
          "authorization_pending",
          "authorization_pending",
          agrees ? "ok" : "access_denied"
        ])
      }
    })
  )

  it.effect("a token exchange and an assertion", () =>
    Effect.gen(function* () {
      const { app, on, server } = make()
      const subjectToken = Effect.succeed(Redacted.make("theirs"))
      const exchanged = yield* login(yield* on(OAuth2.tokenExchange({ ...app, subjectToken })))
      assert.isTrue(yield* server.accepts(exchanged.accessToken))
      for (const [assertion, taken] of [
        ["a.b.c", true],
        ["none", false]
      ] as const) {
        const source = yield* on(OAuth2.jwtBearer({ ...app, assertion: Effect.succeed(Redacted.make(assertion)) }))
        assert.strictEqual((yield* Effect.either(login(source)))._tag, taken ? "Right" : "Left")
      }
      assert.deepStrictEqual(
        server.log.map(({ asks }) => asks?.split(":").at(-1)),
        ["token-exchange", "jwt-bearer", "jwt-bearer"]
      )
    })
  )

  it.effect("bound to a key, and found by its metadata", () =>
    Effect.gen(function* () {
      const { app, on, server } = make()
      const found = yield* on(OAuth2.discover(server.issuer))
      const { tokenEndpoint, revocationEndpoint } = server
      assert.deepInclude(found, { issuer: server.issuer, tokenEndpoint, revocationEndpoint, issuerInCallback: true })
      const tokens = yield* login(yield* on(OAuth2.clientCredentials({ ...app, dpop: true })))
      assert.strictEqual(tokens.tokenType, "DPoP")
    })
  )
})

describe("its faults", () => {
  const asks = Effect.fnUntraced(function* (...answers: ReadonlyArray<FakeAnswer>) {
    const { app, on, server } = make()
    const source = yield* on(OAuth2.refreshToken(app))
    server.next(...answers)
    return { server, exit: yield* Effect.either(refresh(source, server.login())) }
  })

  it.effect(
    "a lost answer, a page, and a gateway's status after the work spend the refresh token; the others do not",
    () =>
      Effect.gen(function* () {
        const cases = [
          [{ lost: true }, { reason: "disconnected" }, "lost", true],
          [{ body: "<html>" }, { reason: "unreadable" }, "malformed", true],
          [{ lost: true, status: 504 }, { reason: "timeout", status: 504 }, "504", true],
          [{ unreachable: true }, { reason: "unreachable" }, "unreachable", false],
          [
            { status: 503, headers: { "retry-after": "7" } },
            { reason: "unavailable", retryAfter: 7_000 },
            "503",
            false
          ],
          [{ status: 400, body: '{"error":"invalid_grant"}' }, { code: "invalid_grant" }, "400", false]
        ] as const
        for (const [answer, fields, outcome, spent] of cases) {
          const { exit, server } = yield* asks(answer)
          assert.strictEqual(exit._tag, "Left")
          if (exit._tag === "Left") assert.deepInclude(exit.left, fields)
          assert.deepInclude(server.log[0], { by: "refresh", presented: "refresh-1", outcome })
          assert.strictEqual(server.issued().includes("refresh-2"), spent, outcome)
        }
      })
  )

  it.effect("a request that is given up before its work spends nothing, one that is given up after it does", () =>
    Effect.gen(function* () {
      for (const [answer, spent] of [
        [{ takes: "1 minute" }, false],
        [{ answersAfter: "1 minute" }, true]
      ] as const) {
        const { app, on, server } = make()
        const source = yield* on(OAuth2.refreshToken(app))
        server.next(answer)
        const asking = yield* Effect.fork(refresh(source, server.login()))
        while (server.log.length === 0) yield* Effect.yieldNow()
        assert.deepInclude(server.log[0], { outcome: "pending" })
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.interrupt(asking)
        assert.deepInclude(server.log[0], { outcome: "given up" })
        assert.strictEqual(server.issued().includes("refresh-2"), spent)
      }
    })
  )

  it.effect("are drawn by a seed, the same by the same, and end when told", () =>
    Effect.gen(function* () {
      const play = Effect.fnUntraced(function* (seed: number) {
        const { app, on, server } = make()
        const source = yield* on(OAuth2.clientCredentials(app))
        server.sometimes({ seed, oneOf: 3, steps: [{ status: 503 }, { lost: true }] })
        for (let request = 0; request < 60; request++) yield* Effect.either(login(source))
        server.always()
        yield* login(source)
        return server.log.map(({ outcome }) => outcome)
      })
      const [one, same, other] = [yield* play(1), yield* play(1), yield* play(2)]
      assert.deepStrictEqual(one, same)
      assert.notDeepEqual(one, other)
      assert.includeMembers(one, ["ok", "503", "lost"])
      assert.strictEqual(one.at(-1), "ok")
    })
  )

  it.scoped("its own clock ends tokens, whatever the app's says", () =>
    Effect.gen(function* () {
      let ahead = 0
      const millis = () => ahead
      const clock = { ...Clock.make(), unsafeCurrentTimeMillis: millis, currentTimeMillis: Effect.sync(millis) }
      const { app, server } = make({ expiresIn: "10 minutes", clock })
      const { get } = yield* TokenProvider.make({ key: "k", source: OAuth2.clientCredentials(app) }).pipe(
        Effect.provide(Layer.merge(server.layer, MemoryTokenStore.layer))
      )
      const { value } = yield* get
      assert.isTrue(yield* server.accepts(value))
      ahead = Duration.toMillis("11 minutes")
      assert.isFalse(yield* server.accepts(value))
      assertSameToken(yield* get, value)
    })
  )
})

const login = ({ login }: TokenSource): Effect.Effect<TokenSet, SourceError> =>
  login ?? Effect.dieMessage("the source has no login")

const refresh = ({ refresh }: TokenSource, tokens: TokenSet): Effect.Effect<TokenSet, SourceError> =>
  refresh?.(tokens) ?? Effect.dieMessage("the source has no refresh")
