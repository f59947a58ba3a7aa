import { assert, describe, it } from "@effect/vitest"
import {
  Expiry,
  InvalidOption,
  OAuth2,
  TokenEndpoint,
  TokenEndpointError,
  TokenSet,
  type TokenSource
} from "@evertoken/core"
import { Clock, Duration, Effect, Redacted, TestClock } from "effect"
import { answering, type Sent } from "./network.js"

const url = "https://fmc.example.com/token"
const current = TokenSet.make({ accessToken: "at-0", refreshToken: "rt-0" })
const login = (source: TokenSource) => source.login ?? Effect.die("it cannot log in")
const refresh = (source: TokenSource) => source.refresh?.(current) ?? Effect.die("it cannot refresh")
const ok = () => Response.json({ access_token: "at", expires_in: 3600 })

describe("an answer with its tokens in headers", () => {
  const headers = { "X-auth-access-token": "at-1", "X-auth-refresh-token": "rt-1", "X-Lives": "1800" }
  const fields = { accessToken: "header:X-auth-access-token", refreshToken: "header:x-auth-refresh-token" }
  const made = TokenEndpoint.make({
    login: { url, headers: { authorization: Redacted.make("Basic abc") } },
    refresh: { url, headers: { "x-auth-refresh-token": TokenEndpoint.refreshToken } },
    fields,
    expiry: Expiry.seconds("header:X-Lives"),
    keep: ["header:X-Domain"]
  })

  for (const [what, answer] of [
    ["and no body", () => new Response(null, { status: 204, headers: { ...headers, "x-domain": "global" } })],
    ["beside JSON", () => Response.json({ ok: true }, { headers: { ...headers, "x-domain": "global" } })]
  ] as const) {
    it.effect(`${what}: both tokens, the lifetime and what is kept are read`, () =>
      Effect.gen(function* () {
        const sent: Array<Sent> = []
        const source = yield* made.pipe(Effect.provide(answering(sent, answer)))
        for (const tokens of [yield* login(source), yield* refresh(source)]) {
          assert.strictEqual(Redacted.value(tokens.accessToken), "at-1")
          assert.strictEqual(tokens.refreshToken && Redacted.value(tokens.refreshToken), "rt-1")
          assert.deepStrictEqual(tokens.expiresIn, Duration.minutes(30))
          assert.deepStrictEqual(tokens.extra, { "header:X-Domain": "global" })
        }
        assert.strictEqual(sent[1]?.headers["x-auth-refresh-token"], "rt-0")
      })
    )
  }

  it.effect("that are not there is no token, and no header is quoted", () =>
    Effect.gen(function* () {
      const answer = () => new Response(null, { status: 204, headers: { "x-other": "canary" } })
      const source = yield* made.pipe(Effect.provide(answering([], answer)))
      const error = yield* Effect.flip(login(source))
      assert.propertyVal(error, "reason", "unreadable")
      assert.notInclude(error.message, "canary")
    })
  )

  it.effect("a body cannot pass for a header", () =>
    Effect.gen(function* () {
      const source = yield* made.pipe(
        Effect.provide(answering([], () => Response.json({ "header:x-auth-access-token": "forged" }, { headers })))
      )
      assert.strictEqual(Redacted.value((yield* login(source)).accessToken), "at-1")
    })
  )
})

describe("an answer that is the token", () => {
  const make = (answer: () => Response, fields: object = { accessToken: "$" }) =>
    TokenEndpoint.make({
      login: { url },
      fields,
      expiry: Expiry.first(Expiry.seconds("header:X-Lives"), Expiry.jwt("$"))
    }).pipe(Effect.provide(answering([], answer)))
  const jwt = `e30.${btoa(JSON.stringify({ exp: 4_000_000_000 })).replace(/=+$/, "")}.c2ln`
  const html = { headers: { "content-type": "text/html" } }

  for (const [what, answer, token] of [
    ["as text", () => new Response("at-1\n", { headers: { "content-type": "text/plain" } }), "at-1"],
    ["as text with a byte order mark", () => new Response("\uFEFFat-1"), "at-1"],
    ["as text that could be a form", () => new Response("YWJj="), "YWJj="],
    ["as text of digits", () => new Response("12345678901234567890"), "12345678901234567890"],
    ["as JSON", () => Response.json("at-1"), "at-1"],
    ["as a JWT", () => new Response(jwt), jwt]
  ] as const) {
    it.effect(`${what} is read`, () =>
      Effect.gen(function* () {
        const tokens = yield* login(yield* make(answer))
        assert.strictEqual(Redacted.value(tokens.accessToken), token)
        assert.strictEqual(tokens.expiresAt, token === jwt ? 4_000_000_000_000 : undefined)
      })
    )
  }

  it.effect("has its lifetime in a header", () =>
    Effect.gen(function* () {
      const tokens = yield* login(yield* make(() => new Response("at-1", { headers: { "x-lives": "60" } })))
      assert.deepStrictEqual(tokens.expiresIn, Duration.minutes(1))
    })
  )

  it.effect("is none where it is a page, JSON of another kind, or empty; and is quoted by no error", () =>
    Effect.gen(function* () {
      for (const answer of [
        () => new Response("<html></html>", html),
        () => new Response("canary-1", html),
        () => new Response("canary two"),
        () => Response.json({ token: "canary" }),
        () => Response.json(["canary"]),
        () => Response.json(null),
        () => Response.json(true),
        () => new Response("")
      ]) {
        const error = yield* Effect.flip(login(yield* make(answer)))
        assert.propertyVal(error, "reason", "unreadable")
        assert.notInclude(error.message, "canary")
      }
      const undeclared = yield* Effect.flip(login(yield* make(() => new Response("at-1"), {})))
      assert.propertyVal(undeclared, "reason", "unreadable")
    })
  )

  it.effect("is an error where it says one", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(login(yield* make(() => new Response("error=invalid_grant"))))
      assert.strictEqual(error._tag, "GrantRejected")
    })
  )
})

describe("an answer in a form of its own", () => {
  const tag = (text: string, name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  const parse = (text: string) => {
    if (!text.startsWith("<response>")) throw new SyntaxError(`no XML: ${text}`)
    return { session: { id: tag(text, "sessionid"), ends: tag(text, "timeout") }, error: tag(text, "errorno") }
  }
  const options = { fields: { accessToken: "session.id" }, expiry: Expiry.isoDate("session.ends"), parse }
  const made = TokenEndpoint.make({
    login: { url, form: { xml: "<login/>" } },
    ...options,
    errors: { XL03: "refused" }
  })
  const asked = (source: typeof made, answer: () => Response) =>
    Effect.flatMap(Effect.provide(source, answering([], answer)), login)

  it.effect("is read by a function: tokens, their end, and what an error is", () =>
    Effect.gen(function* () {
      const tokens = yield* asked(
        made,
        () => new Response("<response><sessionid>at-1</sessionid><timeout>2030-01-01T00:00:00Z</timeout></response>")
      )
      assert.strictEqual(Redacted.value(tokens.accessToken), "at-1")
      assert.strictEqual(tokens.expiresAt, Date.UTC(2030, 0, 1))
      const error = yield* Effect.flip(asked(made, () => new Response("<response><errorno>XL03</errorno></response>")))
      assert.strictEqual(error._tag, "GrantRejected")
    })
  )

  it.effect("is also for the grants of OAuth2", () =>
    Effect.gen(function* () {
      const source = OAuth2.clientCredentials({
        ...{ tokenEndpoint: url, clientId: "app", clientSecret: Redacted.make("s"), parse },
        fields: { accessToken: "session.id" }
      })
      const tokens = yield* asked(source, () => new Response("<response><sessionid>at-1</sessionid></response>"))
      assert.strictEqual(Redacted.value(tokens.accessToken), "at-1")
    })
  )

  it.effect("may be JSON all the same, and what the function throws is told nobody", () =>
    Effect.gen(function* () {
      const json = yield* asked(made, () => Response.json({ session: { id: "at-1" } }))
      assert.strictEqual(Redacted.value(json.accessToken), "at-1")
      const error = yield* Effect.flip(asked(made, () => new Response("a canary", { status: 500 })))
      assert.notInclude(JSON.stringify(error) + error.message, "canary")
    })
  )
})

describe("fields of the answer", () => {
  it.effect("are declared for the grants of OAuth2 as for TokenEndpoint", () =>
    Effect.gen(function* () {
      const source = yield* OAuth2.clientCredentials({
        tokenEndpoint: url,
        clientId: "app",
        clientSecret: Redacted.make("s"),
        fields: { accessToken: "data.token", scope: "data.rights" }
      }).pipe(Effect.provide(answering([], () => Response.json({ data: { token: "at-1", rights: "a b" } }))))
      const tokens = yield* login(source)
      assert.deepStrictEqual([Redacted.value(tokens.accessToken), tokens.scopes], ["at-1", ["a", "b"]])
    })
  )
})

describe("fields of a request", () => {
  it.effect("that are Effects are made for each request, at a login too: a timestamp, a nonce, a signature", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const sent: Array<Sent> = []
      let nonces = 0
      const source = yield* TokenEndpoint.make({
        login: {
          url,
          headers: { "x-timestamp": Clock.currentTimeMillis },
          query: { nonce: Effect.sync(() => ++nonces) },
          json: { deep: [{ signature: Effect.succeed(Redacted.make("canary")) }], left: Effect.succeed(undefined) }
        },
        refresh: {
          url,
          form: {
            proof: ({ refreshToken }) => Effect.succeed(`${refreshToken && Redacted.value(refreshToken)}-signed`)
          }
        }
      }).pipe(Effect.provide(answering(sent, ok)))
      assert.strictEqual(nonces, 0)
      yield* login(source)
      yield* TestClock.adjust("1 second")
      yield* login(source)
      yield* refresh(source)
      assert.deepStrictEqual(
        sent.map(({ headers, url }) => [headers["x-timestamp"], new URL(url).searchParams.get("nonce")]),
        [
          ["1000000", "1"],
          ["1001000", "2"],
          [undefined, null]
        ]
      )
      assert.deepStrictEqual(JSON.parse(sent[0]?.text ?? ""), { deep: [{ signature: "canary" }] })
      assert.deepStrictEqual(sent[2]?.form, { proof: "rt-0-signed" })
    })
  )

  it.effect("go with DELETE as with the other methods", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const source = yield* TokenEndpoint.make({
        login: { url, json: {} },
        revoke: { url, method: "DELETE", headers: { "x-token": TokenEndpoint.accessToken } }
      }).pipe(Effect.provide(answering(sent, () => new Response(null, { status: 204 }))))
      yield* source.revoke?.(current) ?? Effect.die("it cannot revoke")
      assert.deepStrictEqual(
        sent.map(({ headers, method }) => [method, headers["x-token"]]),
        [["DELETE", "at-0"]]
      )
    })
  )

  it.effect("that cannot be made are the failure of the attempt, and nothing is sent", () =>
    Effect.gen(function* () {
      const sent: Array<Sent> = []
      const away = new TokenEndpointError({ reason: "unreachable", detail: "the signer is away" })
      const source = yield* TokenEndpoint.make({ login: { url, form: { signature: Effect.fail(away) } } }).pipe(
        Effect.provide(answering(sent, ok))
      )
      assert.strictEqual(yield* Effect.flip(login(source)), away)
      assert.lengthOf(sent, 0)
    })
  )

  it.effect("that an Effect made are secrets where they are Redacted: no error repeats them", () =>
    Effect.gen(function* () {
      const echo = ({ text }: Sent) =>
        Response.json({ error: "invalid_request", error_description: text }, { status: 400 })
      const source = yield* TokenEndpoint.make({
        login: { url, json: { signature: Effect.succeed(Redacted.make("canary-signature")) } }
      }).pipe(Effect.provide(answering([], echo)))
      assert.notInclude((yield* Effect.flip(login(source))).message, "canary-signature")
    })
  )

  it.effect("of a login cannot be functions of tokens that are not there", () =>
    Effect.gen(function* () {
      const options = { login: { url, form: { refresh: TokenEndpoint.refreshToken } } }
      const error = yield* Effect.flip(TokenEndpoint.make(options)).pipe(Effect.provide(answering([], ok)))
      assert.instanceOf(error, InvalidOption)
      assert.strictEqual(error.option, "login.form.refresh")
    })
  )
})
