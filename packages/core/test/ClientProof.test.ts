import { assert, describe, it } from "@effect/vitest"
import {
  ClientRejected,
  InvalidOption,
  OAuth2,
  TokenEndpoint,
  TokenEndpointError,
  TokenSet,
  type TokenSource
} from "@evertoken/core"
import { Effect, Redacted } from "effect"
import { answering, type Sent } from "./network.js"

const tokenEndpoint = "https://auth.example.com/token"
const ok = () => Response.json({ access_token: "at", expires_in: 3600 })
const current = TokenSet.make({ accessToken: "old", refreshToken: "rt" })
const refresh = (source: TokenSource) => source.refresh?.(current) ?? Effect.die("it cannot refresh")

/** The two ways to declare a source, which share how a client proves itself. */
const declared = {
  "OAuth2.refreshToken": (client: OAuth2.ClientOptions) => OAuth2.refreshToken({ tokenEndpoint, ...client }),
  TokenEndpoint: (client: OAuth2.ClientOptions) =>
    TokenEndpoint.make({
      refresh: {
        url: tokenEndpoint,
        form: { grant_type: "refresh_token", refresh_token: TokenEndpoint.refreshToken }
      },
      ...client
    })
}

for (const [name, make] of Object.entries(declared)) {
  describe(`the proof of a client, by ${name}`, () => {
    const made = Effect.fnUntraced(function* (client: OAuth2.ClientOptions, answer: (request: Sent) => Response = ok) {
      const sent: Array<Sent> = []
      const source = yield* make(client).pipe(Effect.provide(answering(sent, answer)))
      return { sent, source }
    })
    const basic = ({ headers }: Sent) => atob((headers.authorization ?? "").slice("Basic ".length))

    it.effect("a basic secret leaves what needs no encoding as it is, for servers that do not decode it", () =>
      Effect.gen(function* () {
        const { sent, source } = yield* made({ clientId: "app-1.a_b~c", clientSecret: Redacted.make("x-._~!'()*+ /é") })
        yield* refresh(source)
        assert.deepStrictEqual(sent.map(basic), ["app-1.a_b~c:x-._~%21%27%28%29%2A%2B+%2F%C3%A9"])
      })
    )

    it.effect("a secret that is an Effect is read anew for each request, and not before", () =>
      Effect.gen(function* () {
        let reads = 0
        const clientSecret = Effect.sync(() => Redacted.make(`secret-${++reads}`))
        const { sent, source } = yield* made({ clientId: "app", clientSecret })
        assert.strictEqual(reads, 0)
        yield* refresh(source)
        yield* refresh(source)
        assert.deepStrictEqual(sent.map(basic), ["app:secret-1", "app:secret-2"])
      })
    )

    it.effect("a vault that is away is the failure of the attempt, and nothing is sent", () =>
      Effect.gen(function* () {
        const away = new TokenEndpointError({ reason: "unreachable", detail: "the vault is away" })
        const { sent, source } = yield* made({ clientId: "app", clientSecret: Effect.fail(away) })
        assert.strictEqual(yield* Effect.flip(refresh(source)), away)
        assert.lengthOf(sent, 0)
      })
    )

    it.effect("of several secrets the next is shown after invalid_client, and from then on that one", () =>
      Effect.gen(function* () {
        const answer = (request: Sent) =>
          basic(request) === "app:new" ? ok() : Response.json({ error: "invalid_client" }, { status: 401 })
        const clientSecret = [Redacted.make("old"), Redacted.make("new")]
        const { sent, source } = yield* made({ clientId: "app", clientSecret }, answer)
        yield* refresh(source)
        yield* refresh(source)
        assert.deepStrictEqual(sent.map(basic), ["app:old", "app:new", "app:new"])
      })
    )

    it.effect("where none of several is right, each is shown once for each attempt at most", () =>
      Effect.gen(function* () {
        const answer = () => Response.json({ error: "invalid_client" }, { status: 401 })
        const clientSecret = [Redacted.make("one"), Redacted.make("two")]
        const { sent, source } = yield* made({ clientId: "app", clientSecret }, answer)
        assert.instanceOf(yield* Effect.flip(refresh(source)), ClientRejected)
        assert.lengthOf(sent, 2)
      })
    )

    it.effect("no other code makes a second secret be shown", () =>
      Effect.gen(function* () {
        const answer = () => Response.json({ error: "invalid_grant" }, { status: 400 })
        const { sent, source } = yield* made(
          { clientId: "app", clientSecret: [Redacted.make("one"), Redacted.make("two")] },
          answer
        )
        yield* Effect.flip(refresh(source))
        assert.lengthOf(sent, 1)
      })
    )

    it.effect("an empty secret is shown where it is declared how", () =>
      Effect.gen(function* () {
        const clientSecret = Redacted.make("")
        const first = yield* made({ clientId: "cf", clientSecret, clientAuthentication: "basic" })
        yield* refresh(first.source)
        assert.strictEqual(first.sent[0]?.headers.authorization, "Basic Y2Y6")
        const second = yield* made({ clientId: "cf", clientSecret, clientAuthentication: "post" })
        yield* refresh(second.source)
        assert.deepInclude(second.sent[0]?.form, { client_id: "cf", client_secret: "" })
        const error = yield* Effect.flip(made({ clientId: "cf", clientSecret }))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, "clientSecret")
      })
    )

    it.effect("an assertion from elsewhere is read anew for each request", () =>
      Effect.gen(function* () {
        let reads = 0
        const clientAssertion = Effect.sync(() => Redacted.make(`canary-${++reads}`))
        const client = { clientId: "app", clientAssertion }
        const { sent, source } = yield* made(client)
        yield* refresh(source)
        yield* refresh(source)
        assert.deepStrictEqual(
          sent.map(({ form }) => [form.client_id, form.client_assertion, form.client_assertion_type]),
          ["canary-1", "canary-2"].map((one) => ["app", one, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"])
        )
        const other = yield* made({ ...client, clientAssertionType: "urn:example:saml" })
        yield* refresh(other.source)
        assert.strictEqual(other.sent[0]?.form.client_assertion_type, "urn:example:saml")
      })
    )

    it.effect("no error repeats it", () =>
      Effect.gen(function* () {
        const clientAssertion = Effect.succeed(Redacted.make("canary-assertion"))
        const echo = ({ text }: Sent) =>
          Response.json({ error: "invalid_client", error_description: text }, { status: 401 })
        const { source } = yield* made({ clientId: "app", clientAssertion }, echo)
        assert.notInclude((yield* Effect.flip(refresh(source))).message, "canary-assertion")
        const rotated = yield* made(
          {
            clientId: "app",
            clientSecret: Effect.succeed(Redacted.make("canary-secret")),
            clientAuthentication: "post"
          },
          echo
        )
        assert.notInclude((yield* Effect.flip(refresh(rotated.source))).message, "canary-secret")
      })
    )

    it.effect("of two kinds at once is refused", () =>
      Effect.gen(function* () {
        const clientAssertion = Effect.succeed(Redacted.make("a"))
        const error = yield* Effect.flip(made({ clientId: "app", clientSecret: Redacted.make("s"), clientAssertion }))
        assert.instanceOf(error, InvalidOption)
        assert.deepStrictEqual([error.option, error.expected], ["clientAssertion", "no clientSecret beside it"])
      })
    )
  })
}
