import { inspect } from "node:util"
import { FetchHttpClient, HttpClient, HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { GrantRejected, OAuth2, TokenSet, type TokenSource } from "@evertoken/core"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Redacted, TestClock, Tracer } from "effect"
import { decodeJwt, generateKeyPair } from "jose"
import { answering, type Sent } from "./network.js"

const options = {
  tokenEndpoint: "https://auth.example.com/token",
  clientId: "billing",
  clientSecret: Redacted.make("s3cret")
}
const current = TokenSet.make({ accessToken: "old", refreshToken: "rt1", scopes: ["read", "offline_access"] })

describe("clientCredentials", () => {
  it.effect("asks as RFC 6749 section 4.4 says, and keeps no refresh token", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const answer = {
        access_token: "at",
        token_type: "bearer",
        expires_in: "3600",
        refresh_token: "rt",
        scope: "read"
      }
      const source = yield* OAuth2.clientCredentials({
        ...options,
        scope: ["read", "write"],
        parameters: { audience: "https://api.example.com" },
        headers: { "x-tenant": "acme" }
      }).pipe(Effect.provide(answering(sent, () => Response.json(answer))))
      assert.isUndefined(source.refresh)
      assert.isUndefined(source.revoke)
      const tokens = yield* login(source)
      assertEquals(tokens.accessToken, Redacted.make("at"))
      assertEquals(tokens.expiresIn, Duration.seconds(3600))
      assert.deepStrictEqual([tokens.tokenType, tokens.scopes, tokens.refreshToken], ["Bearer", ["read"], undefined])
      const [{ form, headers, method, url } = none] = sent
      assert.deepStrictEqual([sent.length, method, url], [1, "POST", options.tokenEndpoint])
      assert.deepStrictEqual(form, {
        grant_type: "client_credentials",
        scope: "read write",
        audience: "https://api.example.com"
      })
      assert.deepInclude(headers, {
        authorization: `Basic ${btoa("billing:s3cret")}`,
        "content-type": "application/x-www-form-urlencoded",
        accept: "application/json",
        "x-tenant": "acme"
      })
    })
  )
})

describe("client authentication", () => {
  const secret = "a+b/c=:% é"
  const ask = Effect.fnUntraced(function* (more: Partial<OAuth2.OAuth2Options>) {
    const sent: Array<Sent> = []
    const { clientId, tokenEndpoint } = options
    yield* Effect.flatMap(OAuth2.clientCredentials({ clientId, tokenEndpoint, ...more }), login).pipe(
      Effect.provide(answering(sent, ok))
    )
    return sent[0] ?? none
  })
  const basic = (header: string | undefined) =>
    new TextDecoder().decode(Uint8Array.from(atob(header?.slice(6) ?? ""), (char) => char.charCodeAt(0)))

  it.effect("form-encodes a basic secret, as RFC 6749 section 2.3.1 asks", () =>
    Effect.gen(function* () {
      const { form, headers } = yield* ask({ clientSecret: Redacted.make(secret) })
      assert.strictEqual(basic(headers.authorization), "billing:a%2Bb%2Fc%3D%3A%25+%C3%A9")
      assert.deepStrictEqual(form, { grant_type: "client_credentials" })
    })
  )

  it.effect("sends a raw basic secret as it is", () =>
    Effect.gen(function* () {
      const { headers } = yield* ask({ clientSecret: Redacted.make(secret), clientAuthentication: "basicRaw" })
      assert.strictEqual(basic(headers.authorization), `billing:${secret}`)
    })
  )

  it.effect("posts a secret", () =>
    Effect.gen(function* () {
      const { form, headers } = yield* ask({ clientSecret: Redacted.make(secret), clientAuthentication: "post" })
      assert.deepStrictEqual(form, { grant_type: "client_credentials", client_id: "billing", client_secret: secret })
      assert.notProperty(headers, "authorization")
    })
  )

  it.effect("names a public client, and proves nothing", () =>
    Effect.gen(function* () {
      const { form, headers } = yield* ask({})
      assert.deepStrictEqual(form, { grant_type: "client_credentials", client_id: "billing" })
      assert.notProperty(headers, "authorization")
    })
  )

  it.effect("signs a new assertion for each attempt, on the Effect clock", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* TestClock.setTime(1_000_000)
      const { clientId, tokenEndpoint } = options
      const source = yield* OAuth2.clientCredentials({
        clientId,
        tokenEndpoint,
        issuer: "https://auth.example.com",
        privateKey: { key: Redacted.make(privateJwk) }
      }).pipe(Effect.provide(answering(sent, ok)))
      yield* login(source)
      yield* login(source)
      const [first, second] = sent.map(({ form }) => decodeJwt(form.client_assertion ?? ""))
      assert.deepInclude(first, {
        iss: "billing",
        sub: "billing",
        aud: "https://auth.example.com",
        iat: 990,
        exp: 1050
      })
      assert.notStrictEqual(first?.jti, second?.jti)
    })
  )
})

describe("refreshToken", () => {
  it.effect("says about scopes what is declared", () =>
    Effect.gen(function* () {
      for (const [scopeOnRefresh, scope] of [
        [undefined, undefined],
        ["omit", undefined],
        ["original", "read offline_access"],
        ["explicit", "write"]
      ] as const) {
        const sent: Array<Sent> = []
        const source = yield* OAuth2.refreshToken({ ...options, scope: "write", scopeOnRefresh }).pipe(
          Effect.provide(answering(sent, ok))
        )
        yield* refresh(source, current)
        assert.deepStrictEqual(sent[0]?.form, {
          grant_type: "refresh_token",
          refresh_token: "rt1",
          ...(scope === undefined ? {} : { scope })
        })
      }
    })
  )

  it.effect("sends nothing without a refresh token", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* Effect.provide(OAuth2.refreshToken(options), answering(sent, ok))
      const error = yield* Effect.flip(refresh(source, TokenSet.make({ accessToken: "old" })))
      assert.deepInclude(error, { _tag: "GrantRejected", code: "no_refresh_token" })
      assert.isEmpty(sent)
    })
  )

  it.effect("revokes the refresh token, or the access token where there is none", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* OAuth2.refreshToken({
        ...options,
        revocationEndpoint: "https://auth.example.com/revoke"
      }).pipe(Effect.provide(answering(sent, () => new Response(null, { status: sent.length === 3 ? 503 : 200 }))))
      const revoke = source.revoke ?? (() => Effect.dieMessage("no revoke"))
      yield* revoke(current)
      yield* revoke(TokenSet.make({ accessToken: "old" }))
      assert.deepStrictEqual(
        sent.map(({ form, url }) => [url, form]),
        [
          ["https://auth.example.com/revoke", { token: "rt1", token_type_hint: "refresh_token" }],
          ["https://auth.example.com/revoke", { token: "old", token_type_hint: "access_token" }]
        ]
      )
      assert.deepInclude(yield* Effect.flip(revoke(current)), { _tag: "TokenEndpointError", reason: "unavailable" })
    })
  )

  it.effect("passes traits on", () =>
    Effect.gen(function* () {
      const { traits } = yield* OAuth2.refreshToken({
        ...options,
        replay: "never",
        earliestRefresh: "570 seconds"
      }).pipe(Effect.provide(answering([], ok)))
      assert.strictEqual(traits.replay, "never")
      assertEquals(traits.earliestRefresh, Duration.seconds(570))
    })
  )
})

describe("jwtBearer", () => {
  it.effect("signs what a service account says, and names no client", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      yield* TestClock.setTime(1_000_000)
      const source = yield* OAuth2.jwtBearer({
        tokenEndpoint: options.tokenEndpoint,
        signingKey: { key: Redacted.make(privateJwk) },
        issuedBy: "robot@example.iam.gserviceaccount.com",
        claims: { scope: "https://www.googleapis.com/auth/drive" },
        assertionLifetime: "1 hour"
      }).pipe(Effect.provide(answering(sent, ok)))
      yield* login(source)
      const { assertion = "", ...form } = sent[0]?.form ?? {}
      assert.deepStrictEqual(form, { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" })
      const { jti, ...claims } = decodeJwt(assertion)
      assert.isString(jti)
      assert.deepStrictEqual(claims, {
        iss: "robot@example.iam.gserviceaccount.com",
        sub: "robot@example.iam.gserviceaccount.com",
        aud: options.tokenEndpoint,
        scope: "https://www.googleapis.com/auth/drive",
        iat: 990,
        exp: 4590
      })
    })
  )

  it.effect("asks for an assertion from elsewhere at each login", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      let made = 0
      const source = yield* OAuth2.jwtBearer({
        ...options,
        assertion: Effect.sync(() => Redacted.make(`assertion-${++made}`)),
        parameters: { requested_token_use: "on_behalf_of" }
      }).pipe(Effect.provide(answering(sent, ok)))
      yield* login(source)
      yield* login(source)
      assert.deepStrictEqual(
        sent.map(({ form }) => [form.assertion, form.requested_token_use]),
        [
          ["assertion-1", "on_behalf_of"],
          ["assertion-2", "on_behalf_of"]
        ]
      )
    })
  )
})

describe("tokenExchange", () => {
  it.effect("sends subject and actor, as RFC 8693 section 2.1 says", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* OAuth2.tokenExchange({
        ...options,
        subjectToken: Effect.succeed(Redacted.make("subject")),
        subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
        actorToken: Effect.succeed(Redacted.make("actor")),
        scope: "read"
      }).pipe(Effect.provide(answering(sent, ok)))
      yield* login(source)
      assert.deepStrictEqual(sent[0]?.form, {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: "subject",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        actor_token: "actor",
        actor_token_type: "urn:ietf:params:oauth:token-type:access_token",
        scope: "read"
      })
    })
  )
})

describe("deviceAuthorization", () => {
  it.effect("asks no more often than the server wants, and stops when the code runs out", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const answers = ["authorization_pending", "slow_down", "temporarily_unavailable"]
      const times: Array<number> = []
      const clock = yield* TestClock.testClock()
      const source = yield* OAuth2.deviceAuthorization({
        ...options,
        deviceAuthorizationEndpoint: "https://auth.example.com/device"
      }).pipe(
        Effect.provide(
          answering(sent, ({ url }) => {
            if (url.endsWith("/device")) {
              return Response.json({
                device_code: "dc",
                user_code: "AB-CD",
                verification_url: "https://g.co",
                expires_in: 60
              })
            }
            times.push(clock.unsafeCurrentTimeMillis() / 1000)
            return Response.json({ error: answers.shift() ?? "authorization_pending" }, { status: 400 })
          })
        )
      )
      const code = yield* source.start
      assert.deepInclude(code, { userCode: "AB-CD", verificationUri: "https://g.co", expiresAt: 60_000 })
      const waiting = yield* Effect.fork(Effect.flip(source.wait(code)))
      yield* TestClock.adjust("2 minutes")
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "GrantRejected", code: "expired_token" })
      assert.deepStrictEqual(times, [5, 10, 20, 35, 50])
    })
  )
})

describe("discover", () => {
  it.effect("falls back to RFC 8414, whose path comes before the issuer's", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const found = yield* OAuth2.discover("https://auth.example.com/tenant").pipe(
        Effect.provide(
          answering(sent, ({ url }) =>
            url.includes("openid")
              ? new Response("no", { status: 404 })
              : Response.json({
                  issuer: "https://auth.example.com/tenant",
                  token_endpoint: "https://auth.example.com/t"
                })
          )
        )
      )
      assert.strictEqual(found.tokenEndpoint, "https://auth.example.com/t")
      assert.deepStrictEqual(
        sent.map(({ url }) => url),
        [
          "https://auth.example.com/tenant/.well-known/openid-configuration",
          "https://auth.example.com/.well-known/oauth-authorization-server/tenant"
        ]
      )
    })
  )

  it.effect("believes no other issuer", () =>
    Effect.gen(function* () {
      const evil = { issuer: "https://evil.example.com", token_endpoint: "https://evil.example.com/t" }
      const error = yield* Effect.flip(OAuth2.discover("https://auth.example.com")).pipe(
        Effect.provide(answering([], () => Response.json(evil)))
      )
      assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unreadable" })
    })
  )
})

describe("options that cannot work", () => {
  const wrong: ReadonlyArray<readonly [string, object]> = [
    ["tokenEndpoint", { tokenEndpoint: "http://auth.example.com/token" }],
    ["tokenEndpoint", { tokenEndpoint: "not a url" }],
    ["tokenEndpoint", { tokenEndpoint: "" }],
    ["tokenEndpoint", { tokenEndpoint: undefined }],
    ["tokenEndpoint", { tokenEndpoint: "https://user:password@auth.example.com/token" }],
    ["tokenEndpoint", { tokenEndpoint: "https://user@auth.example.com/token" }],
    ["tokenEndpoint", { tokenEndpoint: "ftp://localhost/token" }],
    ["tokenEndpoint", { tokenEndpoint: "http://localhost.evil.com/token" }],
    ["revocationEndpoint", { revocationEndpoint: "http://auth.example.com/revoke" }],
    ["clientId", { clientId: "" }],
    ["clientId", { clientId: 5 }],
    ["clientSecret", { clientSecret: Redacted.make("") }],
    ["clientSecret", { clientSecret: "not redacted" }],
    ["clientSecret", { clientSecret: undefined, clientAuthentication: "post" }],
    ["clientAuthentication", { clientAuthentication: "digest" }],
    ["privateKey", { privateKey: { key: Redacted.make("{}") } }],
    [
      "privateKey",
      { clientSecret: undefined, privateKey: { key: Redacted.make("-----BEGIN PRIVATE KEY-----\nAAAA") } }
    ],
    ["privateKey", { clientSecret: undefined, privateKey: { key: Redacted.make("nonsense"), algorithm: "HS256" } }],
    ["headers", { headers: { authorization: "Bearer x" } }],
    ["headers", { headers: { "x y": "z" } }],
    ["scopeOnRefresh", { scopeOnRefresh: "all" }],
    ["replay", { replay: "always" }],
    ["earliestRefresh", { earliestRefresh: "soon" }]
  ]
  for (const [option, more] of wrong) {
    it.effect(`${option}: ${JSON.stringify(more)}`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        const given: OAuth2.RefreshOptions = Object.assign({}, options, more)
        const error = yield* Effect.flip(OAuth2.refreshToken(given)).pipe(Effect.provide(answering(sent, ok)))
        assert.deepInclude(error, { _tag: "InvalidOption", option })
        assert.isEmpty(sent)
      })
    )
  }

  it.effect("privateKey: a key that may not sign", () =>
    Effect.gen(function* () {
      const { publicKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
      const { clientId, tokenEndpoint } = options
      const made = OAuth2.clientCredentials({ clientId, tokenEndpoint, privateKey: { key: publicKey } })
      assert.deepInclude(yield* Effect.flip(made), { _tag: "InvalidOption", option: "privateKey" })
    }).pipe(Effect.provide(answering([], ok)))
  )

  it.effect("http is fine on the loopback", () =>
    Effect.forEach(
      ["http://localhost:1/t", "http://127.0.0.1/t", "http://[::1]:8080/t", "http://a.localhost/t"],
      (tokenEndpoint) => OAuth2.clientCredentials({ ...options, tokenEndpoint })
    ).pipe(Effect.provide(answering([], ok)))
  )

  it.effect("other grants name theirs", () =>
    Effect.gen(function* () {
      const made = [
        Effect.flip(OAuth2.jwtBearer({ ...options })),
        Effect.flip(
          OAuth2.jwtBearer({ tokenEndpoint: options.tokenEndpoint, signingKey: { key: Redacted.make(privateJwk) } })
        ),
        Effect.flip(OAuth2.authorizationCode({ ...options, authorizationEndpoint: "x", redirectUri: "https://app" })),
        Effect.flip(OAuth2.deviceAuthorization({ ...options, deviceAuthorizationEndpoint: "http://x" })),
        Effect.flip(OAuth2.discover("nowhere"))
      ]
      const errors = yield* Effect.all(made)
      assert.deepStrictEqual(
        errors.map((error) => (error._tag === "InvalidOption" ? error.option : error._tag)),
        ["signingKey", "issuedBy", "authorizationEndpoint", "deviceAuthorizationEndpoint", "issuer"]
      )
    }).pipe(Effect.provide(answering([], ok)))
  )
})

describe("the network", () => {
  const failing = (cause: unknown) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) => new HttpClientError.RequestError({ request, reason: "Transport", cause }))
    )
  const error = (message: string, more: object) => Object.assign(new Error(message), more)
  const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause })

  const failures: ReadonlyArray<readonly ["unreachable" | "disconnected" | "timeout", string, unknown]> = [
    ["unreachable", "refused", fetchFailed(error("connect", { code: "ECONNREFUSED" }))],
    [
      "unreachable",
      "refused on both addresses",
      fetchFailed(new AggregateError([error("a", { code: "ECONNREFUSED" })]))
    ],
    ["unreachable", "no such name", fetchFailed(error("getaddrinfo", { code: "ENOTFOUND", syscall: "getaddrinfo" }))],
    ["unreachable", "no name server", error("getaddrinfo", { code: "EAI_AGAIN" })],
    ["unreachable", "undici's connect timeout", fetchFailed(error("x", { code: "UND_ERR_CONNECT_TIMEOUT" }))],
    ["unreachable", "connect timed out", error("x", { code: "ETIMEDOUT", syscall: "connect" })],
    ["unreachable", "self-signed certificate", fetchFailed(error("x", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }))],
    ["unreachable", "expired certificate", fetchFailed(error("x", { code: "CERT_HAS_EXPIRED" }))],
    ["unreachable", "another's certificate", fetchFailed(error("x", { code: "ERR_TLS_CERT_ALTNAME_INVALID" }))],
    ["unreachable", "no TLS there", fetchFailed(error("x", { code: "ERR_SSL_WRONG_VERSION_NUMBER" }))],
    ["disconnected", "reset", fetchFailed(error("read", { code: "ECONNRESET", syscall: "read" }))],
    ["disconnected", "closed by the other side", fetchFailed(error("other side closed", { code: "UND_ERR_SOCKET" }))],
    ["disconnected", "a browser, which does not say", new TypeError("Failed to fetch")],
    ["disconnected", "nothing at all", undefined],
    ["timeout", "no answer", fetchFailed(error("x", { code: "UND_ERR_HEADERS_TIMEOUT" }))],
    ["timeout", "half an answer", fetchFailed(error("x", { code: "UND_ERR_BODY_TIMEOUT" }))],
    ["timeout", "read timed out", error("x", { code: "ETIMEDOUT", syscall: "read" })],
    ["timeout", "a signal's timeout", Object.assign(new Error("x"), { name: "TimeoutError" })]
  ]
  for (const [reason, name, cause] of failures) {
    it.effect(`${reason}: ${name}`, () =>
      Effect.gen(function* () {
        const source = yield* Effect.provide(OAuth2.refreshToken(options), failing(cause))
        const result = yield* Effect.flip(refresh(source, current))
        assert.deepInclude(result, { _tag: "TokenEndpointError", reason })
      })
    )
  }

  it.effect("reads an error that the client has already made of a status", () =>
    Effect.gen(function* () {
      const strict = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)
      ).pipe(Layer.provide(answering([], () => Response.json({ error: "invalid_grant" }, { status: 400 }))))
      const source = yield* Effect.provide(OAuth2.refreshToken(options), strict)
      assertEquals(
        yield* Effect.flip(refresh(source, current)),
        new GrantRejected({ code: "invalid_grant", status: 400, claims: undefined })
      )
    })
  )

  it.effect("interrupting it aborts the request", () =>
    Effect.gen(function* () {
      const aborted = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const hanging = HttpClient.make((_request, _url, signal) => {
        signal.addEventListener("abort", () => Deferred.unsafeDone(aborted, Exit.void))
        return Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
      })
      const source = yield* OAuth2.clientCredentials(options).pipe(
        Effect.provideService(HttpClient.HttpClient, hanging)
      )
      const fiber = yield* Effect.fork(login(source))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(aborted)
    })
  )

  it.effect("fetch follows no redirect, and keeps what else was set for it", () =>
    Effect.gen(function* () {
      const seen: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_url, init) => {
        seen.push(init)
        return Promise.resolve(new Response(null, { status: 307, headers: { location: "https://evil.example.com" } }))
      }
      const source = yield* OAuth2.refreshToken(options).pipe(
        Effect.provide(FetchHttpClient.layer),
        Effect.provideService(FetchHttpClient.RequestInit, { credentials: "include", redirect: "follow" })
      )
      const error = yield* Effect.flip(refresh(source, current)).pipe(
        Effect.provideService(FetchHttpClient.Fetch, fetch)
      )
      assert.deepInclude(error, { _tag: "ClientRejected", code: "HTTP 307", status: 307 })
      assert.deepInclude(seen[0], { credentials: "include", redirect: "manual" })
    })
  )

  it.effect("keeps the options that the fetch layer alone was given", () =>
    Effect.gen(function* () {
      const seen: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_url, init) => {
        seen.push(init)
        return Promise.resolve(Response.json({ access_token: "a" }))
      }
      const layer = FetchHttpClient.layer.pipe(
        Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch)),
        Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { credentials: "include" }))
      )
      const source = yield* Effect.provide(OAuth2.refreshToken(options), layer)
      yield* refresh(source, current)
      assert.deepInclude(seen[0], { credentials: "include", redirect: "manual" })
    })
  )

  it.effect("opens no span and passes no trace on", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const spans: Array<string> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        context: (run, fiber) => native.context(run, fiber),
        span: (name, ...rest) => {
          spans.push(name)
          return native.span(name, ...rest)
        }
      })
      const source = yield* Effect.provide(OAuth2.refreshToken(options), answering(sent, ok))
      yield* refresh(source, current).pipe(Effect.withSpan("app"), Effect.withTracer(tracer))
      assert.deepStrictEqual(spans, ["app"])
      assert.notProperty(sent[0]?.headers, "traceparent")
    })
  )
})

describe("secrets", () => {
  const secrets = {
    clientSecret: "canary-client-secret",
    refresh: "canary/refresh+token=1",
    access: "short",
    echoed: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.x1"
  }
  const descriptions = [
    `refresh token ${secrets.refresh} is unknown`,
    `client ${secrets.clientSecret} is unknown`,
    `refresh_token=${encodeURIComponent(secrets.refresh)}`,
    `Basic ${btoa(`billing:${secrets.clientSecret}`)}`,
    `token ${secrets.echoed} was used`
  ]
  const canaries = [
    ...Object.values(secrets),
    encodeURIComponent(secrets.refresh),
    btoa(`billing:${secrets.clientSecret}`)
  ]

  for (const [name, answer] of [
    ["an error that repeats them", (text: string) => Response.json({ error: "server_error", error_description: text })],
    ["a code that repeats them", (text: string) => Response.json({ error: text }, { status: 400 })],
    [
      "a client error that repeats them",
      (text: string) => Response.json({ error: "invalid_client", error_description: text })
    ],
    ["an answer cut short", (text: string) => new Response(`{"access_token":"${text}`)],
    ["an answer that is not JSON", (text: string) => new Response(`<html>${text}`, { status: 500 })]
  ] as const) {
    it.effect(`none is in what comes of ${name}`, () =>
      Effect.gen(function* () {
        for (const text of descriptions) {
          const source = yield* OAuth2.refreshToken({
            ...options,
            clientSecret: Redacted.make(secrets.clientSecret)
          }).pipe(Effect.provide(answering([], () => answer(text))))
          const tokens = TokenSet.make({ accessToken: secrets.access, refreshToken: secrets.refresh })
          const exit = yield* Effect.exit(refresh(source, tokens))
          assert.isTrue(Exit.isFailure(exit))
          if (Exit.isFailure(exit)) {
            const error = Cause.squash(exit.cause)
            const shown = [
              Cause.pretty(exit.cause),
              String(error),
              JSON.stringify(error),
              inspect(error, { depth: 10 })
            ].join()
            for (const canary of canaries) assert.notInclude(shown, canary)
          }
        }
      })
    )
  }

  it.effect("an error keeps what the server says otherwise, on one line of bounded length", () =>
    Effect.gen(function* () {
      const said = `AADSTS7000215: Invalid\r\nclient\u0000 secret. ${"Long. ".repeat(100)}`
      const source = yield* OAuth2.refreshToken(options).pipe(
        Effect.provide(
          answering([], () => Response.json({ error: "invalid_client", error_description: said }, { status: 401 }))
        )
      )
      const error = yield* Effect.flip(refresh(source, current))
      const detail = "detail" in error ? (error.detail ?? "") : ""
      assert.isTrue(detail.startsWith("AADSTS7000215: Invalid client secret. Long."), detail)
      assert.isAtMost(detail.length, 200)
    })
  )
})

const none: Sent = { method: "", url: "", headers: {}, text: "", form: {} }
const ok = () => Response.json({ access_token: "at", token_type: "Bearer", expires_in: 3600 })
const login = (source: TokenSource) => source.login ?? Effect.dieMessage("the source has no login")
const refresh = (source: TokenSource, tokens: TokenSet) =>
  source.refresh?.(tokens) ?? Effect.dieMessage("the source has no refresh")

const privateJwk = JSON.stringify({
  kty: "EC",
  crv: "P-256",
  x: "rOT6RI86eQz-b5fYH5hX0xEKwynk9FgnIUI6ughNHic",
  y: "aeAq5t3T14tOFQnHtUvlQIKl_IZymJl7KHhph9HRTI0",
  d: "9CAoeS_rI4SggBCIk0D7HpY56TKFn44ML9wryxhJxo8"
})
