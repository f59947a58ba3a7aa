import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  DirectHttpClient,
  Expiry,
  InvalidOption,
  OAuth2,
  ProviderClosed,
  Redacted,
  RefreshPolicy,
  SourceLimits,
  TokenClient,
  TokenEndpoint,
  TokenHttpClient,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore,
  TokenWorker
} from "@evertoken/core"
import { TokenCipher, TokenRotation } from "@evertoken/core/encryption"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, ConfigProvider, Effect, Layer, Logger, Schedule, type Scope, Stream } from "effect"

// What people type in their first hour, plain JavaScript too. Each mistake is told when the thing is made, before anything
// is sent, by the option's name and what would be right.

/** A value as a caller without types passes it. */
const js = (value: unknown) => {
  const box = JSON.parse("{}")
  box.value = value
  return box.value
}

const login = Effect.sync(() => TokenSet.make({ accessToken: "at", expiresIn: "1 hour" }))
const source = TokenSource.make({ login })
const store = MemoryTokenStore.layer
const oauth = { tokenEndpoint: "https://auth.example.com/token", clientId: "app", clientSecret: Redacted.make("s") }
const url = "https://auth.example.com/token"

/** Nothing may be sent. */
const none = HttpClient.make(() => Effect.dieMessage("something was sent"))

const client = (more: object) => () => TokenClient.make(js({ key: "k", source, store, ...more }))
const policy = (options: object) => client({ policy: js(RefreshPolicy.make)(options) })
const credentials = (more: object) => () =>
  Effect.provideService(js(OAuth2.clientCredentials)({ ...oauth, ...more }), HttpClient.HttpClient, none)
const sourceOf = (options: unknown) => () => js(TokenSource.make)(options)
const endpoint = (options: unknown) => () => js(TokenEndpoint.make)(options)
const tokens = (options: unknown) => () => js(TokenSet.make)(options)
const keys = (written: string | undefined) => () =>
  Effect.withConfigProvider(
    TokenCipher.config(),
    ConfigProvider.fromMap(new Map(written === undefined ? [] : [["EVERTOKEN_KEYS", written]]))
  )
const SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

/** What is typed, the option that is named, and words of what is said. */
type Mistake = readonly [typed: string, make: () => unknown, option: string, ...words: ReadonlyArray<string>]

const mistakes: Readonly<Record<string, ReadonlyArray<Mistake>>> = {
  "a client": [
    ["no options", () => js(TokenClient.make)(), "options", "key, source, store"],
    ["a list", () => js(TokenClient.make)([]), "options", "key, source, store"],
    ["text", () => js(TokenClient.make)("billing"), "options", "key, source, store"],
    [
      "options in two pieces",
      () => js(TokenClient.make)({ key: "k", source, store }, { origins: [url] }),
      "options",
      "first"
    ],
    ["no key", client({ key: undefined }), "key", "a name for the connection"],
    ["no store", client({ store: undefined }), "store", "MemoryTokenStore.layer"],
    ["a module as store", client({ store: MemoryTokenStore }), "store", "MemoryTokenStore.layer"],
    ["an Effect as store", client({ store: MemoryTokenStore.make }), "store", "a layer"],
    ["http: a client", client({ http: {} }), "http", "FetchHttpClient.layer"],
    ["no source", client({ source: undefined }), "source", "OAuth2.clientCredentials"],
    ["options as source", client({ source: oauth }), "source", "OAuth2.clientCredentials"],
    ["an async function as source", client({ source: async () => "token" }), "source", "TokenSource.make"],
    ["origin", client({ origin: [url] }), "origin", 'did you mean "origins"?'],
    ["polcy", client({ polcy: {} }), "polcy", 'did you mean "policy"?'],
    ["an origin with a path", client({ origins: ["https://api.example.com/v2"] }), "origins", "without a path"],
    ["an empty list of origins", client({ origins: [] }), "origins", "at least one origin"],
    ["a baseUrl without scheme", client({ baseUrl: "api.example.com" }), "baseUrl", "https"],
    ["header: a list", client({ header: ["X"] }), "header", "the name of a header"],
    ["rejected: a status", client({ rejected: 403 }), "rejected", "a function"],
    ["fetch: a promise", client({ fetch: Promise.resolve() }), "fetch", "a function"],
    ["a layer with options misspelled", () => js(TokenClient.make)(store, { orgins: [url] }), "orgins", '"origins"?'],
    ["onEvent without a function", () => js(client({})()).onEvent("Refreshed"), "listener", "a function"]
  ],
  "a policy": [
    ['ahead: "5 minutes"', policy({ ahead: "5 minutes" }), "policy.ahead", 'RefreshPolicy.beforeExpiry("5 minutes")'],
    ["ahead: 300", policy({ ahead: 300 }), "policy.ahead", 'RefreshPolicy.beforeExpiry("5 minutes")'],
    ["beforeExpiry(300)", policy({ ahead: RefreshPolicy.beforeExpiry(js(300)) }), "policy.ahead", '"1 hour"'],
    ["retry: 4", policy({ retry: 4 }), "policy.retry", "Schedule.recurs(4)"],
    ["unauthorized: 1", policy({ unauthorized: 1 }), "policy.unauthorized", "Schedule.recurs(1)"],
    ["timeout: 10", policy({ timeout: 10 }), "policy.timeout", "Duration.seconds(3600)"],
    ["warnings: 7", policy({ warnings: 7 }), "policy.warnings", "a list of durations"],
    ["aheadd", policy({ aheadd: "5 minutes" }), "policy.aheadd", 'did you mean "ahead"?'],
    ["no make", client({ policy: { ahead: "5 minutes" } }), "policy", "RefreshPolicy.make"]
  ],
  "a source": [
    ["an async login", sourceOf({ login: async () => login }), "login", "Effect.tryPromise"],
    ["a login that is tokens", sourceOf({ login: { accessToken: "a" } }), "login", "an Effect"],
    ["refresh: an Effect", sourceOf({ refresh: login }), "refresh", "a function"],
    ["nothing", sourceOf({}), "source", "a login, a refresh, or both"],
    ["no options", sourceOf(undefined), "options", '"login"'],
    ["limits without make", sourceOf({ login, limits: { concurrency: 5 } }), "limits", "SourceLimits.make"],
    ["replayWindo", sourceOf({ login, replayWindo: "1 minute" }), "replayWindo", 'did you mean "replayWindow"?'],
    ["replayWindow without a refresh", sourceOf({ login, replayWindow: "1 minute" }), "replayWindow", "no effect"],
    ["keepAlive: 30", sourceOf({ refresh: () => login, keepAlive: 30 }), "keepAlive", "Duration.seconds(3600)"],
    ["limits with a misspelling", () => js(SourceLimits.make)({ concurency: 5 }), "concurency", '"concurrency"?'],
    ["per: 1000", () => js(SourceLimits.make)({ rate: 5, per: 1000 }), "per", '"1 hour"']
  ],
  OAuth2: [
    ["clientID", credentials({ clientId: undefined, clientID: "app" }), "clientID", 'did you mean "clientId"?'],
    ["client_id", credentials({ client_id: "app" }), "client_id", 'did you mean "clientId"?'],
    ["no clientId", credentials({ clientId: undefined }), "clientId", "the id the authorization server knows"],
    ["an unset secret", credentials({ clientSecret: undefined }), "clientSecret", "Redacted.make of a secret"],
    ["Redacted.make(undefined)", credentials({ clientSecret: Redacted.make(undefined) }), "clientSecret", "not empty"],
    ["a secret as text", credentials({ clientSecret: "s" }), "clientSecret", "Redacted.make"],
    ['expiry: "1 hour"', credentials({ expiry: "1 hour" }), "expiry", 'Expiry.fixed("1 hour")'],
    ["scopes", credentials({ scopes: ["a"] }), "scopes", 'did you mean "scope"?'],
    ["params", credentials({ params: {} }), "params", 'did you mean "parameters"?'],
    ["parameters.scope", credentials({ parameters: { scope: "a" } }), "parameters.scope", "the option `scope`"],
    ["keepAlive", credentials({ keepAlive: "30 days" }), "keepAlive", "no effect"],
    [
      "a content-type",
      credentials({ headers: { "Content-Type": "application/json" } }),
      "headers.Content-Type",
      "form"
    ],
    ["http", credentials({ tokenEndpoint: "http://auth.example.com" }), "tokenEndpoint", "https"],
    ["no tokenEndpoint", credentials({ tokenEndpoint: undefined }), "tokenEndpoint", "https"],
    ["fixed(3600)", () => Expiry.fixed(js(3600)), "lifetime", "Duration.seconds(3600)"],
    ["seconds()", () => js(Expiry.seconds)(), "field", "expires_in"]
  ],
  "an endpoint": [
    ["a function field in a login", endpoint({ login: { url, form: { a: () => "b" } } }), "login.form.a", "login"],
    ["a nested misspelling", endpoint({ login: { url, heders: {} } }), "login.heders", '"headers"?'],
    ["body", endpoint({ login: { url, body: "a=b" } }), "login.body", '"form"'],
    [
      "fields misspelled",
      endpoint({ login: { url }, fields: { access_token: "t" } }),
      "fields.access_token",
      '"accessToken"?'
    ],
    ["a schema that is none", endpoint({ login: { url }, schema: {} }), "schema", "a Schema"]
  ],
  "a token set": [
    ["access_token", tokens({ access_token: "a" }), "access_token", 'did you mean "accessToken"?'],
    ["expiresIn: 3600", tokens({ accessToken: "a", expiresIn: 3600 }), "expiresIn", "Duration.seconds(3600)"],
    ["expiresAt: ISO text", tokens({ accessToken: "a", expiresAt: "2027-01-01T00:00:00Z" }), "expiresAt", "a Date"],
    ["expiresAt: NaN", tokens({ accessToken: "a", expiresAt: Number.NaN }), "expiresAt", "epoch milliseconds"],
    ["expiresAt: seconds", tokens({ accessToken: "a", expiresAt: 1_800_000_000 }), "expiresAt", "epoch milliseconds"],
    ["expiresAt: no date", tokens({ accessToken: "a", expiresAt: new Date("x") }), "expiresAt", "a Date"],
    ["nothing", tokens({}), "accessToken", "an access token, a refresh token, or both"],
    ["scopes: text", tokens({ accessToken: "a", scopes: "a b" }), "scopes", "a list of scopes"]
  ],
  providers: [
    ["no options", () => js(TokenProvider.make)(), "options", '"key"'],
    ["a misspelling", () => js(TokenProvider.make)({ key: "k", source, polcy: {} }), "polcy", '"policy"?'],
    ["no store", () => TokenProvider.make({ key: "k", source }), "TokenStore", "MemoryTokenStore.layer"],
    [
      "no HttpClient",
      () => TokenProvider.make({ key: "k", source: OAuth2.clientCredentials(oauth) }),
      "HttpClient",
      "FetchHttpClient.layer"
    ],
    ["a source that is no function", () => js(TokenProviders.make)({ source }), "source", "a function from a key"],
    ["idle: 600", () => js(TokenProviders.make)({ source: () => source, idle: 600 }), "idle", '"1 hour"'],
    [
      "a worker's misspelling",
      () => js(TokenWorker.make)({ source: () => source, concurency: 1 }),
      "concurency",
      '"concurrency"?'
    ],
    ["a worker beside nothing", () => TokenWorker.beside(), "TokenStore", "MemoryTokenStore.layer"],
    ["a worker without a source", () => js(TokenWorker.runOnce)({}), "source", "a function from a key"],
    [
      "an HTTP client without provider",
      () =>
        Effect.provideService(TokenHttpClient.make({ origins: ["https://a.example"] }), HttpClient.HttpClient, none),
      "TokenProvider",
      "TokenProvider.layer"
    ],
    [
      "an HTTP client without HttpClient",
      () => TokenHttpClient.make({ origins: ["https://a.example"] }),
      "HttpClient",
      "FetchHttpClient.layer"
    ],
    ["a direct client without HttpClient", () => DirectHttpClient.make, "HttpClient", "FetchHttpClient.layer"],
    ["an HTTP client's misspelling", () => js(TokenHttpClient.make)({ origin: [url] }), "origin", '"origins"?'],
    [
      "a provider that is no Effect",
      () => js(TokenHttpClient.make)({ origins: ["https://a.example"], provider: {} }),
      "provider",
      "the tag of a provider"
    ],
    [
      "no origins",
      () => Effect.provideService(js(TokenHttpClient.make)({ provider: Effect.void }), HttpClient.HttpClient, none),
      "origins",
      "at least one origin"
    ]
  ],
  "encryption keys": [
    ["an unset variable", keys(undefined), "EVERTOKEN_KEYS", "2026-09=…"],
    ["an empty variable", keys(""), "EVERTOKEN_KEYS", "2026-09=…"],
    ["a short key", keys("2026-09=abc"), "EVERTOKEN_KEYS", "32 random bytes as base64url", "key 1"],
    ["a key in hex", keys(`2026-09=${"ab".repeat(32)}`), "EVERTOKEN_KEYS", "base64url"],
    ["a key without an id", keys(SECRET), "EVERTOKEN_KEYS", "an id before each key"],
    ["a padded key without an id", keys(`${SECRET}=`), "EVERTOKEN_KEYS", "an id before each key"],
    ["an id twice", keys(`a=${SECRET},a=${SECRET}`), "EVERTOKEN_KEYS", "distinct ids"],
    ["a key as text", () => js(TokenCipher.make)({ current: "a", keys: { a: SECRET } }), "keys.a", "Redacted.make"],
    [
      "current that is none",
      () => TokenCipher.make({ current: "b", keys: { a: Redacted.make(SECRET) } }),
      "current",
      "one of the keys"
    ],
    [
      "a key service without unwrap",
      () => js(TokenCipher.service)({ id: "a", wrap: () => Effect.void }),
      "unwrap",
      "a function"
    ],
    ["batch: 0", () => Stream.runDrain(js(TokenRotation.rotate)({}, {}, { batch: 0 })), "batch", "a whole number"],
    [
      "batch: NaN",
      () => Stream.runDrain(js(TokenRotation.rotate)({}, {}, { batch: Number.NaN })),
      "batch",
      "a whole number"
    ],
    ["bach", () => Stream.runDrain(js(TokenRotation.rotate)({}, {}, { bach: 10 })), "bach", '"batch"?']
  ]
}

for (const [what, rows] of Object.entries(mistakes)) {
  describe(`P13: ${what}, typed as`, () => {
    for (const [typed, make, option, ...words] of rows) {
      it.effect(`${typed}, names "${option}"`, () =>
        Effect.gen(function* () {
          const error = yield* problem(make)
          assert.instanceOf(error, InvalidOption)
          assert.strictEqual(error.option, option)
          for (const word of words) assert.include(error.message, word)
          assert.notInclude(error.message, SECRET)
        })
      )
    }
  })
}

describe("what goes wrong later is told in words that help", () => {
  it.effect("a host that is unknown, and a path with nothing but a page, are named", () =>
    Effect.gen(function* () {
      const unknown = HttpClient.make((request) => {
        const cause = Object.assign(new TypeError("fetch failed"), { cause: { code: "ENOTFOUND" } })
        return new HttpClientError.RequestError({ request, reason: "Transport", cause })
      })
      const page = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            new Response("<html>", { status: 404, headers: { "content-type": "text/html" } })
          )
        )
      )
      for (const [http, ...words] of [
        [unknown, "ENOTFOUND", "auth.example.com"],
        [page, "404", "nothing is there", "HTML", "auth.example.com/token"]
      ] as const) {
        const error = yield* Effect.flip(loggingIn(OAuth2.clientCredentials(oauth), http))
        for (const word of words) assert.include(js(error).message, word)
      }
    })
  )

  it.effect("tokens that nobody has put are asked for by that name", () =>
    Effect.gen(function* () {
      const provider = yield* TokenProvider.make({ key: "x", source: OAuth2.refreshToken(oauth) })
      assert.include((yield* Effect.flip(provider.get)).message, "there are no tokens; put those of a login")
    }).pipe(Effect.provideService(HttpClient.HttpClient, none), Effect.scoped, Effect.provide(store))
  )

  it.effect("a login that misspells a token set is a bug of the login, with what it threw", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        loggingIn(sourceOf({ login: Effect.sync(tokens({ access_token: "a" })) })(), none)
      )
      assert.strictEqual(js(error)._tag, "TokenSourceDefect")
      assert.include(js(error).cause.message, 'did you mean "accessToken"?')
    })
  )

  it.effect("tokens that another key sealed are told at once, by the connection and the key's id", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryTokenStore.backend()
      const sealedBy = (secret: string) =>
        Effect.map(TokenCipher.make({ current: "2026-09", keys: { "2026-09": Redacted.make(secret) } }), (cipher) =>
          TokenStore.make(backend, { cipher })
        )
      yield* (yield* sealedBy(SECRET)).put("billing", yield* login, undefined)
      const other = yield* sealedBy(SECRET.replace("AAEC", "BBBB"))
      const provider = yield* Effect.provideService(TokenProvider.make({ key: "billing", source }), TokenStore, other)
      assert.strictEqual(
        (yield* Effect.flip(provider.get)).message,
        'The stored tokens of "billing" cannot be decrypted with the encryption keys at hand, and are left as they are: ' +
          'the key "2026-09" does not open it'
      )
    }).pipe(Effect.scoped)
  )

  it("a client that was disposed says so by a class of its own, also to listeners", async () => {
    const client = TokenClient.make({ key: "k", source, store, origins: ["https://api.example.com"] })
    await client.dispose()
    const failed = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)
    assert.instanceOf(await failed(client.get()), ProviderClosed)
    assert.instanceOf(await failed(client.fetch("https://api.example.com/")), ProviderClosed)
    assert.throws(() => client.onEvent(() => {}), ProviderClosed, "closed")
  })

  it("a layer that lacks a store or an HttpClient, or is none of a provider, says which to provide", async () => {
    const failed = (layer: unknown) =>
      js(TokenClient.make)(layer)
        .get()
        .then(assert.fail, (error: unknown) => error)
    const provider = TokenProvider.layer({ key: "k", source })
    const asking = TokenProvider.layer({ key: "k", source: OAuth2.clientCredentials(oauth) })
    for (const [layer, option, word] of [
      [provider, "TokenStore", "MemoryTokenStore.layer"],
      [Layer.provide(store, provider), "TokenStore", "MemoryTokenStore.layer"],
      [Layer.mergeAll(store, provider), "TokenStore", "MemoryTokenStore.layer"],
      [Layer.provide(asking, store), "HttpClient", "FetchHttpClient.layer"],
      [store, "TokenProvider", "TokenProvider.layer"]
    ] as const) {
      const error = await failed(layer)
      assert.instanceOf(error, InvalidOption)
      assert.strictEqual(js(error).option, option)
      assert.include(js(error).message, word)
    }
  })
})

describe("a 401 of an origin that nobody declared", () => {
  const refusing = HttpClient.make((request) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, new Response("no", { status: 401 })))
  )

  it.effect("says that it got no token, and one line of the log does", () =>
    Effect.gen(function* () {
      const { logger, warnings } = listening()
      yield* Effect.gen(function* () {
        const provider = TokenProvider.make({ key: "k", source })
        const http = yield* TokenHttpClient.make({ origins: ["https://api.example.com"], provider })
        for (const _ of [1, 2]) {
          const response = yield* http.get("https://ap1.example.com/a?secret=1")
          assert.deepInclude(TokenHttpClient.refusal(response), {
            _tag: "OriginNotDeclared",
            origin: "https://ap1.example.com"
          })
          assert.strictEqual(yield* response.text, "no")
        }
        const own = yield* http.get("https://ap1.example.com/", { headers: { authorization: "Bearer mine" } })
        assert.isUndefined(TokenHttpClient.refusal(own))
        assert.isUndefined(
          TokenHttpClient.refusal(yield* TokenHttpClient.withoutToken(http.get("https://ap1.example.com/")))
        )
      }).pipe(Effect.provide([logger, store]))
      assert.deepStrictEqual(warnings, [
        'https://ap1.example.com answered 401 and got no token: "origins" does not name it'
      ])
    }).pipe(Effect.provideService(HttpClient.HttpClient, refusing), Effect.scoped)
  )

  it("says so to fetch", async () => {
    const fetch = () => Promise.resolve(new Response("no", { status: 401 }))
    const client = TokenClient.make({ key: "k", source, store, origins: ["https://api.example.com"], fetch })
    const response = await client.fetch("https://ap1.example.com/a")
    assert.propertyVal(TokenClient.refusal(response), "_tag", "OriginNotDeclared")
    assert.strictEqual(await response.text(), "no")
    await client.dispose()
  })
})

describe("a second live provider of a key", () => {
  const make = (key: string) => TokenProvider.make({ key, source })
  const said = (test: Effect.Effect<unknown, unknown, TokenStore | Scope.Scope>) =>
    Effect.gen(function* () {
      const { logger, warnings } = listening()
      yield* test.pipe(Effect.scoped, Effect.provide([logger, store]))
      return warnings
    })

  it.effect("on the same store logs one warning that says what to do, however many there are", () =>
    Effect.gen(function* () {
      const warnings = yield* said(Effect.all([make("billing"), make("billing"), make("billing"), make("other")]))
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], '"billing"')
      assert.include(warnings[0], "Make one where the program starts")
    })
  )

  it.effect("on another store logs nothing", () =>
    Effect.gen(function* () {
      const another = Effect.flatMap(MemoryTokenStore.make, (other) =>
        Effect.provideService(make("k"), TokenStore, other)
      )
      assert.deepStrictEqual(yield* said(Effect.zip(make("k"), another)), [])
    })
  )

  for (const test of ["one test", "another test"]) {
    it.effect(`logs nothing in ${test}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* said(make("k")), [])
      })
    )
  }

  it.effect("logs nothing where the scope of the first is closed, and does again once two live", () =>
    Effect.gen(function* () {
      const one = Effect.scoped(make("k"))
      assert.deepStrictEqual(yield* said(Effect.zip(one, one)), [])
      assert.lengthOf(yield* said(Effect.all([one, make("k"), make("k")])), 1)
    })
  )
})

/** A first `get` with this source. */
const loggingIn = <E>(source: Effect.Effect<TokenSource, E, HttpClient.HttpClient>, http: HttpClient.HttpClient) =>
  TokenProvider.make({ key: "k", source, policy: RefreshPolicy.make({ retry: Schedule.stop }) }).pipe(
    Effect.flatMap((provider) => provider.get),
    Effect.provideService(HttpClient.HttpClient, http),
    Effect.scoped,
    Effect.provide(store)
  )

/** The warnings of a program. */
const listening = () => {
  const warnings: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel._tag === "Warning") warnings.push(String(message))
  })
  return { warnings, logger: Logger.replace(Logger.defaultLogger, logger) }
}

/** What making it fails with, whether it throws or is an Effect. */
const problem = (make: () => unknown): Effect.Effect<unknown> => {
  const making: Effect.Effect<unknown, unknown> = Effect.suspend(() => {
    const made = make()
    return Effect.isEffect(made) ? js(Effect.scoped(js(made))) : Effect.succeed(made)
  })
  return Effect.map(Effect.orDie(Effect.flip(Effect.sandbox(making))), Cause.squash)
}
