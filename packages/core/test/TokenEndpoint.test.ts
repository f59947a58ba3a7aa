import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Expiry, OAuth2, TokenEndpoint, TokenEndpointError, TokenSet } from "@evertoken/core"
import { Cause, Duration, Effect, Either, Exit, FastCheck as fc, Redacted, Schema, TestClock } from "effect"
import { corpus, now, type Recorded } from "./corpus.js"
import { answering, type Sent } from "./network.js"

describe("answers of real providers", () => {
  for (const entry of corpus) {
    it.effect(`${entry.error === undefined ? "token" : "error"}: ${entry.name}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now)
        const { fields, schema, extendsAccessToken, ...answers } = entry.declared ?? {}
        const declared = TokenEndpoint.make({
          refresh: { url, form: { refresh_token: TokenEndpoint.refreshToken } },
          ...entry.declared
        })
        const standard = OAuth2.refreshToken({ tokenEndpoint: url, clientId: "app", ...answers })
        const readers =
          fields === undefined && schema === undefined && extendsAccessToken === undefined
            ? [declared, standard]
            : [declared]
        for (const make of readers) {
          const source = yield* Effect.provide(
            make,
            answering([], () => response(entry))
          )
          const current = TokenSet.make({ accessToken: "old", refreshToken: "secret-refresh-token" })
          check(entry, yield* Effect.either(source.refresh?.(current) ?? Effect.dieMessage("no refresh")))
        }
      })
    )
  }

  it("are at least sixty", () => assert.isAtLeast(corpus.length, 60))
})

describe("a body of plain text", () => {
  const ask = (text: string) =>
    Effect.gen(function* () {
      const source = yield* TokenEndpoint.make({
        refresh: { url, form: { refresh_token: TokenEndpoint.refreshToken } },
        errorCode: (body) => (typeof body === "string" && body.startsWith("ERROR") ? "ERROR" : undefined),
        errors: { ERROR: "refused" }
      }).pipe(Effect.provide(answering([], () => new Response(text))))
      return yield* Effect.flip(
        source.refresh?.(TokenSet.make({ accessToken: "at" })) ?? Effect.dieMessage("no refresh")
      )
    })

  it.effect("can say that it is an error, also with 200", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* ask("ERROR session=expired"), { _tag: "GrantRejected", code: "ERROR", status: 200 })
    })
  )

  it.effect("is an answer that got lost where nobody reads it, and none of it is told", () =>
    Effect.gen(function* () {
      for (const text of ["", "<html>secret</html>"]) {
        assert.deepInclude(yield* ask(text), {
          _tag: "TokenEndpointError",
          reason: "unreadable",
          detail: `${text === "" ? "the body is neither JSON nor a form" : "an HTML page instead of JSON or a form"}, at api.example.com/token`
        })
      }
    })
  )
})

describe("requests", () => {
  const robot = { email: "robot@example.com", password: Redacted.make("canary-password") }

  it.effect("logs in with JSON and refreshes elsewhere, each answered in its own way", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* TokenEndpoint.make({
        login: { url: "https://api.example.com/login", json: { user: { ...robot, roles: ["reader", 1, true] } } },
        refresh: {
          url: "https://api.example.com/refresh?v=2",
          method: "PUT",
          headers: { "x-api-key": Redacted.make("canary-key"), authorization: (current) => `Old ${current.tokenType}` },
          json: { refreshToken: TokenEndpoint.refreshToken, nothing: () => undefined }
        },
        fields: { accessToken: "token", refreshToken: "refreshToken" },
        expiry: Expiry.seconds("expiresIn")
      }).pipe(
        Effect.provide(
          answering(sent, () => Response.json({ token: "at", refreshToken: "rt2", expiresIn: 60 }, { status: 201 }))
        )
      )
      const first = yield* source.login ?? Effect.dieMessage("no login")
      assertEquals(first.accessToken, Redacted.make("at"))
      assertEquals(first.expiresIn, Duration.seconds(60))
      const second = yield* source.refresh?.(first) ?? Effect.dieMessage("no refresh")
      assertEquals(second.refreshToken, Redacted.make("rt2"))
      assert.deepStrictEqual(
        sent.map(({ method, text, url }) => [method, url, JSON.parse(text)]),
        [
          [
            "POST",
            "https://api.example.com/login",
            { user: { ...robot, password: "canary-password", roles: ["reader", 1, true] } }
          ],
          ["PUT", "https://api.example.com/refresh?v=2", { refreshToken: "rt2" }]
        ]
      )
      assert.deepInclude(sent[1]?.headers, {
        "content-type": "application/json",
        "x-api-key": "canary-key",
        authorization: "Old Bearer"
      })
    })
  )

  it.effect("extends an access token by itself, in the address", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* TokenEndpoint.make({
        refresh: {
          url: "https://graph.example.com/refresh_access_token",
          method: "GET",
          query: { grant_type: "ig_refresh_token", access_token: TokenEndpoint.accessToken }
        }
      }).pipe(Effect.provide(answering(sent, () => Response.json({ access_token: "at2", expires_in: 5183944 }))))
      yield* source.refresh?.(TokenSet.make({ accessToken: "a&t" })) ?? Effect.void
      assert.deepStrictEqual(
        [sent[0]?.method, sent[0]?.url, sent[0]?.text],
        ["GET", "https://graph.example.com/refresh_access_token?grant_type=ig_refresh_token&access_token=a%26t", ""]
      )
    })
  )

  it.effect("proves the client where the request has room for it", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const login = { url, json: { grant_type: "client_credentials" } }
      const known = { clientId: "app", clientSecret: Redacted.make("s3cret") }
      const ask = Effect.fnUntraced(function* (options: TokenEndpoint.TokenEndpointOptions) {
        const source = yield* Effect.provide(
          TokenEndpoint.make(options),
          answering(sent, () => Response.json({ access_token: "at" }))
        )
        yield* source.login ?? Effect.void
      })
      yield* ask({ ...known, login })
      yield* ask({ ...known, login, clientAuthentication: "post" })
      yield* ask({ ...known, login: { url, form: { a: 1 } }, clientAuthentication: "post" })
      yield* ask({ ...known, login: { url, method: "GET" }, clientAuthentication: "post" })
      assert.deepStrictEqual(
        sent.map(({ headers, text, url }) => [headers.authorization, text, new URL(url).search]),
        [
          [`Basic ${btoa("app:s3cret")}`, '{"grant_type":"client_credentials"}', ""],
          [undefined, '{"grant_type":"client_credentials","client_id":"app","client_secret":"s3cret"}', ""],
          [undefined, "a=1&client_id=app&client_secret=s3cret", ""],
          [undefined, "", "?client_id=app&client_secret=s3cret"]
        ]
      )
    })
  )

  it.effect("reads an answer with a schema of the app's own", () =>
    Effect.gen(function* () {
      const schema = Schema.transform(
        Schema.Struct({ jwt: Schema.Struct({ raw: Schema.String }), minutes: Schema.Number }),
        Schema.Struct({ accessToken: Schema.String, expiresIn: Schema.DurationFromSelf }),
        {
          strict: true,
          decode: ({ jwt, minutes }) => ({ accessToken: jwt.raw, expiresIn: Duration.minutes(minutes) }),
          encode: ({ accessToken, expiresIn }) => ({
            jwt: { raw: accessToken },
            minutes: Duration.toMinutes(expiresIn)
          })
        }
      )
      const ask = Effect.fnUntraced(function* (body: unknown) {
        const source = yield* Effect.provide(
          TokenEndpoint.make({ login: { url }, schema }),
          answering([], () => Response.json(body))
        )
        return yield* source.login ?? Effect.dieMessage("no login")
      })
      const tokens = yield* ask({ jwt: { raw: "at" }, minutes: 20 })
      assertEquals(tokens.accessToken, Redacted.make("at"))
      assertEquals(tokens.expiresIn, Duration.minutes(20))
      const error = yield* Effect.flip(ask({ jwt: { raw: 5, secret: "canary" }, minutes: 20 }))
      assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unreadable" })
      assert.notInclude(inspect(error, { depth: 10 }), "canary")
    })
  )

  it.effect("revokes, and tells where that failed", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* TokenEndpoint.make({
        login: { url },
        revoke: { url: "https://api.example.com/logout", headers: { authorization: bearer } }
      }).pipe(Effect.provide(answering(sent, () => new Response(null, { status: sent.length === 1 ? 204 : 500 }))))
      const revoke = () => source.revoke?.(TokenSet.make({ accessToken: "at" })) ?? Effect.dieMessage("no revoke")
      yield* revoke()
      assert.strictEqual(sent[0]?.headers.authorization, "Bearer at")
      assert.deepInclude(yield* Effect.flip(revoke()), { _tag: "TokenEndpointError", reason: "unavailable" })
    })
  )

  const wrong: ReadonlyArray<readonly [string, TokenEndpoint.TokenEndpointOptions]> = [
    ["source", {}],
    ["login.url", { login: { url: "http://api.example.com" } }],
    ["refresh.url", { refresh: { url: "" } }],
    ["login.method", { login: { url, method: "GET", json: {} } }],
    ["login.json", { login: { url, json: {}, form: {} } }],
    ["login", { login: { url, headers: { "x y": "z" } } }],
    ["login", { login: { url, headers: { x: "a\nb" } } }],
    ["clientSecret", { clientId: "app", clientAuthentication: "post", login: { url } }]
  ]
  for (const [option, options] of wrong) {
    it.effect(`refuses ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(TokenEndpoint.make(options)).pipe(
          Effect.provide(answering([], () => new Response()))
        )
        assert.deepInclude(error, { _tag: "InvalidOption", option })
      })
    )
  }

  it.effect("sends a body as the content-type that its request names", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const headers = { "Content-Type": "application/vnd.api+json" }
      const source = yield* TokenEndpoint.make({ login: { url, json: { a: 1 }, headers } }).pipe(
        Effect.provide(answering(sent, () => Response.json({ access_token: "at" })))
      )
      yield* source.login ?? Effect.void
      assert.strictEqual(sent[0]?.headers["content-type"], "application/vnd.api+json")
    })
  )

  it.effect("no secret of the request is in an error that repeats it", () =>
    Effect.gen(function* () {
      const source = yield* TokenEndpoint.make({
        login: { url, json: robot, query: { key: Redacted.make("canary key/1") } },
        errorCode: TokenEndpoint.failsUnless("ok", [true], "why")
      }).pipe(Effect.provide(answering([], ({ text, url }) => Response.json({ ok: false, why: url, message: text }))))
      const shown = inspect(yield* Effect.flip(source.login ?? Effect.void), { depth: 10 })
      for (const canary of ["canary-password", "canary key/1", encodeURIComponent("canary key/1"), "canary+key%2F1"]) {
        assert.notInclude(shown, canary)
      }
    })
  )
})

describe("any answer at all", () => {
  const json = fc.jsonValue({ maxDepth: 3 })
  const named = fc.record(
    Object.fromEntries(
      [
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope",
        "error",
        "error_description",
        "ok",
        "data"
      ].map((name) => [name, fc.oneof(json, fc.string(), fc.double(), fc.constant("canary-refresh-token"))])
    ),
    { requiredKeys: [] }
  )
  const body = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    json.map((value) => JSON.stringify(value)),
    named.map((value) => JSON.stringify(value))
  )
  const spellings = [
    Expiry.seconds("expires_in"),
    Expiry.epochSeconds("expires_in"),
    Expiry.epochMillis("expires_in"),
    Expiry.isoDate("expires_in"),
    Expiry.clock("expires_in"),
    Expiry.clock("expires_in", "H:S"),
    Expiry.jwt(),
    Expiry.jwt("expires_in"),
    Expiry.fixed("1 hour"),
    Expiry.unknown,
    Expiry.first(Expiry.seconds("data.expires_in"), Expiry.minutes("expires_in")),
    () => {
      throw new Error("canary-refresh-token")
    }
  ]
  const status = fc.constantFrom(200, 201, 302, 400, 401, 403, 429, 500, 503)
  const retryAfter = fc.oneof(fc.constant("5"), fc.string({ unit: "grapheme-ascii" }), fc.double().map(String))

  it.effect.prop(
    "is a token or a typed error that tells no secret",
    { body, status, retryAfter, spelling: fc.constantFrom(...spellings) },
    ({ body, retryAfter, spelling, status }) =>
      Effect.gen(function* () {
        const headers = { "retry-after": retryAfter, date: retryAfter }
        const source = yield* TokenEndpoint.make({
          refresh: { url, form: { refresh_token: TokenEndpoint.refreshToken } },
          expiry: spelling,
          refreshExpiry: spelling,
          keep: ["data", "ok"],
          errorCode: TokenEndpoint.failsUnless("ok", [true], "error")
        }).pipe(Effect.provide(answering([], () => new Response(body, { status, headers }))))
        const current = TokenSet.make({ accessToken: "old", refreshToken: "canary-refresh-token" })
        const exit = yield* Effect.exit(source.refresh?.(current) ?? Effect.dieMessage("no refresh"))
        if (Exit.isSuccess(exit)) {
          const { accessToken, expiresAt, expiresIn } = exit.value.obtained(now)
          assert.isNotEmpty(Redacted.value(accessToken))
          assert.isUndefined(expiresIn)
          assert.isTrue(expiresAt === undefined || Number.isSafeInteger(Math.floor(expiresAt)))
        } else {
          assert.isTrue(Cause.isFailType(exit.cause))
          const error = Cause.squash(exit.cause)
          assert.notInclude(`${error}${JSON.stringify(error)}`, "canary-refresh-token")
          if (error instanceof TokenEndpointError && error.retryAfter !== undefined) {
            assert.isTrue(error.retryAfter >= 0 && error.retryAfter <= 86_400_000)
          }
        }
      }),
    { fastCheck: { numRuns: 200 }, timeout: 30_000 }
  )
})

const bearer: TokenEndpoint.Field = ({ accessToken }) => Redacted.make(`Bearer ${Redacted.value(accessToken)}`)

const url = "https://api.example.com/token"

const response = ({ body, headers = {}, status = 200 }: Recorded) =>
  new Response(status === 204 ? null : typeof body === "string" ? body : JSON.stringify(body), { status, headers })

const check = ({ error, token }: Recorded, result: Either.Either<TokenSet, object>) => {
  if (token === undefined) {
    assert.isTrue(Either.isLeft(result))
    if (Either.isLeft(result))
      for (const [name, value] of Object.entries(error ?? {})) assert.propertyVal(result.left, name, value)
    return
  }
  if (Either.isLeft(result)) throw result.left
  const { right: tokens } = result
  assert.deepStrictEqual(
    {
      access: Redacted.value(tokens.accessToken),
      refresh: tokens.refreshToken && Redacted.value(tokens.refreshToken),
      lasts: tokens.expiresIn && Duration.toSeconds(tokens.expiresIn),
      ends: tokens.expiresAt,
      refreshLasts: tokens.refreshTokenExpiresIn && Duration.toSeconds(tokens.refreshTokenExpiresIn),
      type: tokens.tokenType,
      scopes: tokens.scopes,
      extra: tokens.extra
    },
    {
      refresh: undefined,
      lasts: undefined,
      ends: undefined,
      refreshLasts: undefined,
      type: "Bearer",
      scopes: undefined,
      extra: {},
      ...token
    }
  )
}
