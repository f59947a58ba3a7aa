import type { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  ClientRejected,
  GrantRejected,
  type InvalidOption,
  OAuth2,
  ReauthorizationRequired,
  TokenEndpoint,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { fromProfile } from "@evertoken/core/profile"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Duration, Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { decodeJwt, exportJWK, generateKeyPair } from "jose"
import { answering, type Sent } from "./network.js"
import { harmable } from "./support/Store.js"

const tokenEndpoint = "https://auth.example.com/token"
const app = { tokenEndpoint, clientId: "app" }
const ok = { access_token: "at", expires_in: 3600 }
const jwk = await generateKeyPair("ES256", { extractable: true }).then(({ privateKey }) => exportJWK(privateKey))
const key = Redacted.make(JSON.stringify(jwk))
/** When the server's clock says that it is, in epoch seconds, while ours says 1,000,000. */
const SERVER = 999_940

/** A provider over one process and one store, and what the network saw. */
const provider = (
  source: Effect.Effect<TokenSource, InvalidOption, HttpClient.HttpClient>,
  answer: (request: Sent) => Response
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(1_000_000_000)
    const sent: Array<Sent> = []
    const network = answering(sent, answer)
    const store = yield* Layer.build(MemoryTokenStore.layer)
    const made = TokenProvider.make({ key: "k", source: Effect.provide(source, network) }).pipe(Effect.provide(store))
    return { provider: yield* made, again: made, sent }
  })

describe("a login that is refused", () => {
  const answer = (code: string) => () => Response.json({ error: code }, { status: 400 })

  for (const code of ["invalid_grant", "access_denied_for_now", "interaction_required"]) {
    it.scoped(`${code}: is no dead grant; it heals by itself once the credentials are right`, () =>
      Effect.gen(function* () {
        let right = false
        const source = OAuth2.jwtBearer({
          tokenEndpoint,
          issuedBy: "robot",
          signingKey: { key },
          errors: { access_denied_for_now: "refused" }
        })
        const made = yield* provider(source, () => (right ? Response.json(ok) : answer(code)()))
        const error = yield* Effect.flip(made.provider.get)
        assert.instanceOf(error, ClientRejected)
        assert.strictEqual(error.code, code)
        assert.include(error.message, "the login was refused")
        assert.isFalse((yield* made.provider.status).reauthorizationRequired)
        right = true
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(Redacted.value((yield* made.provider.get).value), "at")
      })
    )
  }

  it.scoped("is tried ever more sparsely, up to an hour apart, whoever asks", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const login = Effect.clock.pipe(
        Effect.flatMap((clock) => {
          times.push(clock.unsafeCurrentTimeMillis())
          return new GrantRejected({ code: "invalid_grant" })
        })
      )
      const made = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }) })
      for (let minute = 0; minute < 6 * 60; minute++) {
        yield* Effect.ignore(made.get)
        yield* TestClock.adjust("1 minute")
      }
      const rests = times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / 1_000)
      assert.isAtMost(times.length, 12)
      for (const [index, rest] of rests.slice(0, 5).entries()) assert.isAtLeast(rest, 4 ** index)
      assert.isAtLeast(rests.at(-1) ?? 0, 3_600)
      assert.isAtMost(rests.at(-1) ?? 0, 3_660)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )

  it.scoped("after a refused refresh: the refresh token is not sent again, the login is", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const refuse = (what: string) =>
        Effect.suspend(() => {
          asked.push(what)
          return new GrantRejected({ code: "invalid_grant" })
        })
      const source = TokenSource.make({ login: refuse("login"), refresh: () => refuse("refresh") })
      const made = yield* TokenProvider.make({ key: "k", source })
      yield* made.put(TokenSet.make({ refreshToken: "rt" }))
      for (let attempt = 0; attempt < 3; attempt++) {
        assert.instanceOf(yield* Effect.flip(made.get), ClientRejected)
        yield* TestClock.adjust("10 minutes")
      }
      assert.deepStrictEqual([asked[0], [...new Set(asked.slice(1))]], ["refresh", ["login"]])
      assert.isAbove(asked.length, 3)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )
})

describe("a source that was refused, once its description or its credentials changed", () => {
  /** Sources whose secret is `secret`, by which they ask at most once for each `get`. */
  const kinds: Readonly<
    Record<string, (secret: string) => Effect.Effect<TokenSource, InvalidOption, HttpClient.HttpClient>>
  > = {
    "a client's login": (secret) => OAuth2.clientCredentials({ ...app, clientSecret: Redacted.make(secret) }),
    "a secret that is read anew": (secret) =>
      OAuth2.clientCredentials({ ...app, clientSecret: Effect.succeed(Redacted.make(secret)) }),
    "a refresh": (secret) => OAuth2.refreshToken({ ...app, clientSecret: Redacted.make(secret) }),
    "requests of one's own": (secret) =>
      TokenEndpoint.make({ login: { url: tokenEndpoint, form: { password: Redacted.make(secret) } } }),
    "a profile": (secret) =>
      fromProfile(
        {
          id: "example",
          grants: ["login"],
          secrets: ["password"],
          login: { url: tokenEndpoint, form: { password: "{password}" } }
        },
        { secrets: { password: Effect.succeed(Redacted.make(secret)) } }
      ),
    "effects of one's own": (secret) => {
      const login = Effect.suspend(() =>
        secret === "right" ? Effect.succeed(TokenSet.make({ accessToken: "at" })) : new ClientRejected({ code: "no" })
      )
      return TokenSource.make({ login, identity: Effect.succeed(Redacted.make(secret)) })
    }
  }

  /** Providers on one store, for the source of each secret; which secrets were shown. */
  const providers = (kind: string) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const shown: Array<string> = []
      const answer = ({ form, headers }: Sent) => {
        const basic = atob((headers.authorization ?? "").replace("Basic ", "")).split(":")[1]
        const secret = form.password ?? basic ?? ""
        shown.push(secret)
        return secret === "right" ? Response.json(ok) : Response.json({ error: "invalid_client" }, { status: 401 })
      }
      const store = yield* Layer.build(MemoryTokenStore.layer)
      const make = (secret: string) => {
        const made = kinds[kind]?.(secret) ?? Effect.dieMessage(kind)
        const source = Effect.provide(made, answering([], answer))
        return TokenProvider.make({ key: "k", source }).pipe(Effect.provide(store))
      }
      return { make, shown, store: yield* Effect.provide(TokenStore, store) }
    })

  /** Asks until the back-off is longer than any caller waits. */
  const wearOut = (provider: TokenProvider["Type"]) =>
    Effect.gen(function* () {
      for (const rest of ["1 minute", "5 minutes", "30 minutes"] as const) {
        yield* Effect.ignore(provider.get)
        yield* TestClock.adjust(rest)
      }
      assert.instanceOf(yield* Effect.flip(provider.get), ClientRejected)
    })

  for (const kind of Object.keys(kinds)) {
    it.scoped(`${kind}: is asked at once, and one that was refused already is not`, () =>
      Effect.gen(function* () {
        const { make, shown } = yield* providers(kind)
        const first = yield* make("wrong")
        if (kind === "a refresh") yield* first.put(TokenSet.make({ refreshToken: "rt" }))
        yield* wearOut(first)
        const before = shown.length
        assert.instanceOf(yield* Effect.flip((yield* make("wrong")).get), ClientRejected)
        assert.instanceOf(yield* Effect.flip((yield* make("wrong-too")).get), ClientRejected)
        assert.instanceOf(yield* Effect.flip((yield* make("wrong")).get), ClientRejected)
        assert.instanceOf(yield* Effect.flip((yield* make("wrong-too")).get), ClientRejected)
        const asked = kind === "effects of one's own" ? [] : ["wrong-too"]
        assert.deepStrictEqual(shown.slice(before), asked)
        assert.strictEqual(Redacted.value((yield* (yield* make("right")).get).value), "at")
      })
    )
  }

  it.scoped("heals in the process that was refused, where a vault gives another secret", () =>
    Effect.gen(function* () {
      const { shown, store } = yield* providers("a client's login")
      let secret = "wrong"
      const answer = () =>
        secret === "right" ? Response.json(ok) : Response.json({ error: "invalid_client" }, { status: 401 })
      const source = OAuth2.clientCredentials({ ...app, clientSecret: Effect.sync(() => Redacted.make(secret)) })
      const provider = yield* TokenProvider.make({
        key: "vault",
        source: Effect.provide(source, answering([], answer))
      }).pipe(Effect.provideService(TokenStore, store))
      yield* wearOut(provider)
      secret = "right"
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(Redacted.value((yield* provider.get).value), "at")
      assert.deepStrictEqual(shown, [])
    })
  )

  it.scoped("credentials that differ each time keep to the back-off", () =>
    Effect.gen(function* () {
      const { make, shown } = yield* providers("a client's login")
      const first = yield* make("wrong")
      yield* wearOut(first)
      const before = shown.length
      for (let at = 0; at < 50; at++) yield* Effect.ignore((yield* make(`${at}`)).get)
      assert.isAtMost(shown.length - before, 8)
    })
  )

  it.scoped("of many processes that begin at once with another wrong secret, one asks", () =>
    Effect.gen(function* () {
      const { make, shown } = yield* providers("a client's login")
      yield* wearOut(yield* make("wrong"))
      const before = shown.length
      const many = yield* Effect.forEach(Array.from({ length: 10 }), () => make("wrong-too"))
      const asked = yield* Effect.fork(
        Effect.forEach(many, ({ get }) => Effect.flip(get), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("30 seconds")
      for (const error of yield* Fiber.join(asked)) assert.instanceOf(error, ClientRejected)
      assert.deepStrictEqual(shown.slice(before), ["wrong-too"])
    })
  )

  it.scoped("the row tells no secret, and two rows do not tell that theirs is the same", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const refused: Array<string> = []
      for (const key of ["a", "b"]) {
        const source = OAuth2.clientCredentials({ ...app, clientSecret: Redacted.make("a-secret-of-ours") }).pipe(
          Effect.provide(answering([], () => Response.json({ error: "invalid_client" }, { status: 401 })))
        )
        const provider = yield* TokenProvider.make({ key, source }).pipe(
          Effect.provideService(TokenStore, TokenStore.make(backend))
        )
        yield* Effect.flip(provider.get)
        const failure = (yield* backend.load(key)).row?.failure ?? ""
        assert.notInclude(failure, "a-secret-of-ours")
        const { refused: noted } = JSON.parse(failure)
        assert.lengthOf(noted.digests, 1)
        assert.isAtMost(noted.digests[0].length, 6, "too short to tell a secret")
        refused.push(noted.digests[0])
      }
      assert.notStrictEqual(refused[0], refused[1])
    })
  )
})

describe("an assertion", () => {
  /** Refuses an assertion of its future, as its `Date` says. */
  const strict =
    (code: string, name: string) =>
    ({ form }: Sent) => {
      const { iat = 0 } = decodeJwt(form[name] ?? "")
      const date = new Date(SERVER * 1_000).toUTCString()
      return iat > SERVER
        ? Response.json({ error: code }, { status: 400, headers: { date } })
        : Response.json(ok, { headers: { date } })
    }
  const clientKey = { clientId: "billing", privateKey: { key } }
  const rows = [
    ["invalid_grant", "assertion", OAuth2.jwtBearer({ tokenEndpoint, issuedBy: "robot", signingKey: { key } })],
    ["invalid_client", "client_assertion", OAuth2.clientCredentials({ tokenEndpoint, ...clientKey })],
    [
      "invalid_client",
      "client_assertion",
      TokenEndpoint.make({ login: { url: tokenEndpoint, form: {} }, ...clientKey })
    ]
  ] as const

  for (const [index, [code, name, source]] of rows.entries()) {
    it.scoped(`${code}, ${index}: of a clock that is a minute ahead is signed once more by the server's time`, () =>
      Effect.gen(function* () {
        const made = yield* provider(source, strict(code, name))
        assert.strictEqual(Redacted.value((yield* made.provider.get).value), "at")
        assert.lengthOf(made.sent, 2)
        yield* made.provider.refresh
        assert.lengthOf(made.sent, 3, "from then on it is signed by the server's time at once")
      })
    )
  }

  it.scoped("is backdated, so that a clock some seconds ahead costs no request", () =>
    Effect.gen(function* () {
      const made = yield* provider(rows[0][2], ({ form }) =>
        (decodeJwt(form.assertion ?? "").iat ?? 0) > 1_000_000 - 9
          ? Response.json({ error: "invalid_grant" }, { status: 400 })
          : Response.json(ok)
      )
      yield* made.provider.get
      assert.lengthOf(made.sent, 1)
    })
  )

  it.scoped("that is refused at the same time is not sent again", () =>
    Effect.gen(function* () {
      const date = new Date(1_000_000_000).toUTCString()
      const made = yield* provider(rows[0][2], () =>
        Response.json({ error: "invalid_grant" }, { status: 400, headers: { date } })
      )
      assert.instanceOf(yield* Effect.flip(made.provider.get), ClientRejected)
      assert.lengthOf(made.sent, 1)
    })
  )
})

describe("a person that is asked for", () => {
  const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
  const endpoints = { tokenEndpoint, authorizationEndpoint: "https://auth.example.com/login" }
  const login = OAuth2.authorizationCode({ ...endpoints, clientId: "app", redirectUri: "https://app.example.com/back" })

  for (const code of ["interaction_required", "login_required", "consent_required", "account_selection_required"]) {
    it.scoped(`${code}: needs a login, with the claims that the server named, in each process`, () =>
      Effect.gen(function* () {
        const made = yield* provider(login, () => Response.json({ error: code, claims }, { status: 400 }))
        yield* made.provider.put(TokenSet.make({ refreshToken: "rt" }))
        for (const { get } of [made.provider, yield* made.again]) {
          const error = yield* Effect.flip(get)
          assert.instanceOf(error, ReauthorizationRequired)
          assert.deepStrictEqual([error.reason, error.code, error.claims], ["refused", code, claims])
        }
        assert.lengthOf(made.sent, 1)
        assert.isTrue((yield* made.provider.status).reauthorizationRequired)
      })
    )
  }

  it.scoped("is sent to the login page with the claims, and what is for this person alone", () =>
    Effect.gen(function* () {
      const { authorize } = yield* login.pipe(Effect.provide(answering([], () => Response.json(ok))))
      const { url } = yield* authorize({ claims, parameters: { login_hint: "ada@example.com" } })
      const { searchParams } = new URL(url)
      assert.deepStrictEqual([searchParams.get("claims"), searchParams.get("login_hint")], [claims, "ada@example.com"])
      assert.isNull(new URL((yield* authorize()).url).searchParams.get("claims"))
    })
  )
})

describe("an address that is no token endpoint", () => {
  const html = { headers: { "content-type": "text/html" } }
  const rows: ReadonlyArray<readonly [what: string, answer: () => Response, words: string]> = [
    ["404", () => new Response("", { status: 404 }), "HTTP 404"],
    ["404 in JSON", () => Response.json({ message: "no route" }, { status: 404 }), "no route"],
    ["405", () => new Response("", { status: 405 }), "the method is not allowed"],
    ["415", () => new Response("", { status: 415 }), "the form of the body is not accepted"],
    [
      "a redirect",
      () => new Response("", { status: 302, headers: { location: "https://auth.example.com/login" } }),
      "auth.example.com/login"
    ],
    ["a page for people", () => new Response("<html>Sign in</html>", { status: 400, ...html }), "an HTML page"]
  ]
  for (const [what, answer, words] of rows) {
    it.scoped(`${what}: is said at once, with host, path and status, and asked sparsely`, () =>
      Effect.gen(function* () {
        const source = OAuth2.clientCredentials({
          tokenEndpoint,
          clientId: "billing",
          clientSecret: Redacted.make("s")
        })
        const made = yield* provider(source, answer)
        const began = yield* TestClock.currentTimeMillis
        const error = yield* Effect.flip(made.provider.get)
        assert.strictEqual(yield* TestClock.currentTimeMillis, began)
        assert.instanceOf(error, ClientRejected)
        assert.include(error.message, words)
        assert.include(error.message, "auth.example.com/token")
        for (let minute = 0; minute < 60; minute++) {
          yield* Effect.ignore(made.provider.get)
          yield* TestClock.adjust(Duration.minutes(1))
        }
        assert.isAtMost(made.sent.length, 18)
      })
    )
  }

  const passing = [
    ["503 with a page", () => new Response("<html>Back soon</html>", { status: 503, ...html })],
    ["403 with a page", () => new Response("<html>Wait</html>", { status: 403, ...html })]
  ] as const
  for (const [what, answer] of passing) {
    it.scoped(`${what}: is weather`, () =>
      Effect.gen(function* () {
        let calls = 0
        const source = OAuth2.clientCredentials({
          tokenEndpoint,
          clientId: "billing",
          clientSecret: Redacted.make("s")
        })
        const made = yield* provider(source, () => (++calls === 1 ? answer() : Response.json(ok)))
        const got = yield* Effect.fork(made.provider.get)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(Redacted.value((yield* got).value), "at")
      })
    )
  }
})

it.scoped("a refresh token that is refused is not sent again, also where the store could not note it", () =>
  Effect.gen(function* () {
    let posts = 0
    const refresh = () =>
      Effect.suspend(() => {
        posts++
        return new GrantRejected({ code: "invalid_grant" })
      })
    const { backend, harm, heal, store } = yield* harmable()
    const source = TokenSource.make({ refresh })
    const made = yield* TokenProvider.make({ key: "k", source }).pipe(Effect.provideService(TokenStore, store))
    yield* made.put(TokenSet.make({ refreshToken: "r" }))
    harm((at, _, does) => (at === "fail" ? Effect.fail("away") : does))
    for (let minute = 0; minute < 3; minute++) {
      const asked = yield* Effect.fork(Effect.exit(made.get))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(asked)
    }
    assert.strictEqual(posts, 1)
    heal()
    const told = yield* Effect.flip(made.get)
    assert.deepStrictEqual([told._tag, "code" in told && told.code], ["ReauthorizationRequired", "invalid_grant"])
    assert.strictEqual((yield* backend.load("k")).row?.dead, true)
    assert.strictEqual(posts, 1)
    // What is put anew is another one.
    yield* made.put(TokenSet.make({ refreshToken: "r2" }))
    yield* Effect.exit(made.get)
    assert.strictEqual(posts, 2)
  })
)
