import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { OAuth2, TokenSet, type TokenSource } from "@evertoken/core"
import { Effect, Layer, Redacted, Schedule } from "effect"

const options = {
  tokenEndpoint: "https://user-less.example.com/tenant/token?api_key=query-secret",
  clientId: "billing",
  clientSecret: Redacted.make("s3cret")
}
const current = TokenSet.make({ accessToken: "old", refreshToken: "rt1" })
const tokens = () => Response.json({ access_token: "at", expires_in: 60 })

describe("an answer", () => {
  const answers: Readonly<Record<string, (client: HttpClient.HttpClient) => Effect.Effect<unknown, unknown>>> = {
    "of the token endpoint": (client) => Effect.flatMap(sourceOver(client), refresh),
    "of an issuer that is asked for its endpoints": (client) =>
      Effect.provideService(OAuth2.discover("https://issuer.example.com"), HttpClient.HttpClient, client),
    "of a device authorization endpoint": (client) =>
      OAuth2.deviceAuthorization({ ...options, deviceAuthorizationEndpoint: "https://a.example.com/device" }).pipe(
        Effect.flatMap(({ start }) => start),
        Effect.provideService(HttpClient.HttpClient, client)
      )
  }
  for (const [which, ask] of Object.entries(answers)) {
    it.effect(`${which} is read up to one MiB, then let go of, and unreadable`, () =>
      Effect.gen(function* () {
        const body = long()
        const error = yield* Effect.flip(ask(network(() => new Response(body.stream))))
        assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unreadable", status: 200 })
        assert.match(String(error), /larger than 1 MiB, at [a-z-]+\.example\.com\//)
        assert.isAtMost(body.read(), 2 * MIB)
        assert.isTrue(body.cancelled())
      })
    )
  }

  it.effect("of just one MiB is read", () =>
    Effect.gen(function* () {
      const start = '{"access_token":"at","pad":"'
      const text = `${start}${"x".repeat(MIB - start.length - 2)}"}`
      const source = yield* sourceOver(network(() => new Response(text)))
      assert.strictEqual(Redacted.value((yield* refresh(source)).accessToken), "at")
    })
  )

  it.effect("with a status that no Response can be made with is told by it", () =>
    Effect.gen(function* () {
      const odd = () => Object.defineProperty(new Response("{}"), "status", { value: 999 })
      const error = yield* Effect.flip(Effect.flatMap(sourceOver(network(odd)), refresh))
      assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unavailable", status: 999 })
    })
  )
})

describe("P1: a request is sent once", () => {
  it.effect("although the HttpClient tries again what may pass", () =>
    Effect.gen(function* () {
      let sent = 0
      const retrying = HttpClient.retryTransient(
        network(() => {
          sent++
          return new Response("", { status: 503 })
        }),
        { schedule: Schedule.recurs(3) }
      )
      const error = yield* Effect.flip(Effect.flatMap(sourceOver(retrying), refresh))
      assert.strictEqual(sent, 1)
      assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "disconnected" })
      assert.match(error.message, /wanted to send it again/)
    })
  )

  it.effect("P11: although the HttpClient follows redirects, and to nobody else", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      const following = HttpClient.followRedirects(
        network((url) => {
          sent.push(url)
          return sent.length === 1
            ? new Response(null, { status: 307, headers: { location: "https://evil.example.com/token" } })
            : tokens()
        })
      )
      const error = yield* Effect.flip(Effect.flatMap(sourceOver(following), refresh))
      assert.deepStrictEqual(sent, [options.tokenEndpoint])
      assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unavailable" })
      assert.match(error.message, /redirect/)
    })
  )

  it.effect("once a time: the next one goes out too", () =>
    Effect.gen(function* () {
      const source = yield* sourceOver(HttpClient.followRedirects(network(tokens)))
      yield* refresh(source)
      yield* refresh(source)
    })
  )
})

it.effect("P11: a redirect that a browser hides is one, and its target is not believed", () =>
  Effect.gen(function* () {
    const opaque = () =>
      Object.defineProperties(new Response(null), { status: { value: 0 }, type: { value: "opaqueredirect" } })
    const error = yield* Effect.flip(Effect.flatMap(sourceOver(network(opaque)), refresh))
    assert.deepInclude(error, { _tag: "TokenEndpointError", reason: "unavailable", status: 0 })
    assert.match(error.message, /a redirect, not followed, at user-less\.example\.com\/tenant\/token$/)
  })
)

describe("an error", () => {
  it.effect("names host and path of the endpoint, and no secret in its address", () =>
    Effect.gen(function* () {
      const cause = Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" })
      const nowhere = HttpClient.make((request) =>
        Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))
      )
      const error = yield* Effect.flip(Effect.flatMap(sourceOver(nowhere), refresh))
      assert.strictEqual(
        error.message,
        "The token endpoint failed (unreachable): ENOTFOUND, at user-less.example.com/tenant/token"
      )
    })
  )

  it.effect("names no secret that is part of the path", () =>
    Effect.gen(function* () {
      const tokenEndpoint = "https://api.example.com/bot123456789012:AAbbCCddEE/s3cret/token"
      const source = yield* sourceOver(
        network(() => new Response("", { status: 404 })),
        { tokenEndpoint }
      )
      const error = yield* Effect.flip(refresh(source))
      assert.match(error.message, /nothing is there, at api\.example\.com\/.*\*\*\*.*\/\*\*\*\/token;/)
      assert.notMatch(error.message, /AAbb|s3cret/)
    })
  )
})

const MIB = 1024 * 1024

/** A body of 32 MiB, with how much of it was read. */
const long = () => {
  let read = 0
  let cancelled = false
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (read >= 32 * MIB) return controller.close()
      read += 65_536
      controller.enqueue(new Uint8Array(65_536).fill(32))
    },
    cancel: () => {
      cancelled = true
    }
  })
  return { stream, read: () => read, cancelled: () => cancelled }
}

const network = (answer: (url: string) => Response) =>
  HttpClient.make((request, { href }) => Effect.sync(() => HttpClientResponse.fromWeb(request, answer(href))))

const sourceOver = (client: HttpClient.HttpClient, more: Partial<OAuth2.RefreshOptions> = {}) =>
  Effect.provide(OAuth2.refreshToken({ ...options, ...more }), Layer.succeed(HttpClient.HttpClient, client))

const refresh = (source: TokenSource) => source.refresh?.(current) ?? Effect.dieMessage("it cannot refresh")
