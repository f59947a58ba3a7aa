import { HttpClient, type HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { TokenHttpClient, type TokenHttpClientOptions } from "@evertoken/core"
import { Effect, TestClock } from "effect"
import { fakeApi, fakeProvider, origin } from "./api.js"

const denied = (words = "no") => new Response(words, { status: 401 })
const fine = () => new Response("fine")

const connect = Effect.fnUntraced(function* (
  answer: (seen: { readonly authorization: string | undefined }, count: number) => Response | Effect.Effect<Response>,
  options: Partial<TokenHttpClientOptions>
) {
  const api = fakeApi(answer)
  const fake = yield* fakeProvider()
  const http = yield* TokenHttpClient.make({
    origins: [origin],
    ...options,
    provider: Effect.succeed(fake.provider)
  }).pipe(Effect.provideService(HttpClient.HttpClient, api.client))
  return { api, fake, http }
})

const told = ({ status, text }: HttpClientResponse.HttpClientResponse) => Effect.map(text, (text) => [status, text])

describe("a 401 that is not about the token", () => {
  const accepted: TokenHttpClientOptions["accepted"] = ({ body }) => body().includes("WRONG_PIN")

  it.scoped("is given to the caller as it is: one request, no refresh, and the token stays", () =>
    Effect.gen(function* () {
      const { api, fake, http } = yield* connect((_, count) => (count === 1 ? denied("WRONG_PIN") : fine()), {
        accepted
      })
      const response = yield* http.get(`${origin}/pay`)
      assert.deepStrictEqual(yield* told(response), [401, "WRONG_PIN"])
      assert.isUndefined(TokenHttpClient.refusal(response))
      yield* http.get(`${origin}/a`)
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-1"])
      assert.strictEqual(fake.posts(), 1)
    })
  )

  it.scoped("is told from one that is", () =>
    Effect.gen(function* () {
      const { api, http } = yield* connect((_, count) => (count === 1 ? denied("TOKEN_EXPIRED") : fine()), { accepted })
      assert.deepStrictEqual(yield* told(yield* http.get(`${origin}/pay`)), [200, "fine"])
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-2"])
    })
  )

  it.scoped("takes away from what `rejected` finds too", () =>
    Effect.gen(function* () {
      const rejected: TokenHttpClientOptions["rejected"] = ({ status }) => status === 400
      const { api, http } = yield* connect(() => new Response("WRONG_PIN", { status: 400 }), { accepted, rejected })
      assert.deepStrictEqual(yield* told(yield* http.get(`${origin}/pay`)), [400, "WRONG_PIN"])
      assert.lengthOf(api.tokens(), 1)
    })
  )

  it.scoped("withoutRejection: whatever these calls answer, the token stays in use", () =>
    Effect.gen(function* () {
      const { api, fake, http } = yield* connect((_, count) => (count <= 2 ? denied() : fine()), {})
      for (let pin = 0; pin < 2; pin++) {
        const response = yield* TokenHttpClient.withoutRejection(http.get(`${origin}/pay`))
        assert.deepStrictEqual(yield* told(response), [401, "no"])
      }
      yield* http.get(`${origin}/a`)
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-1", "Bearer token-1"])
      assert.strictEqual(fake.posts(), 1)
    })
  )
})

describe("a new token that not each server of the API knows yet", () => {
  const settles = "4 seconds"
  /** Knows each token 1.5 seconds after it was made, as the first request with it says. */
  const slow = () => {
    const seen = new Map<string | undefined, number>()
    return ({ authorization }: { readonly authorization: string | undefined }) =>
      Effect.map(TestClock.currentTimeMillis, (now) => {
        const since = seen.get(authorization) ?? now
        seen.set(authorization, since)
        return now - since >= 1_500 ? fine() : denied()
      })
  }

  it.scoped("is sent again after pauses, and no other is made", () =>
    Effect.gen(function* () {
      const { api, fake, http } = yield* connect(slow(), { settles })
      const called = yield* Effect.fork(http.get(`${origin}/a`))
      yield* TestClock.adjust(settles)
      assert.deepStrictEqual(yield* told(yield* called), [200, "fine"])
      assert.strictEqual(fake.posts(), 1)
      assert.deepStrictEqual(
        api.tokens(),
        Array.from({ length: 4 }, () => "Bearer token-1")
      )
    })
  )

  it.scoped("is replaced once it is old enough and still refused", () =>
    Effect.gen(function* () {
      const { api, http } = yield* connect(
        ({ authorization }) => (authorization === "Bearer token-1" ? denied() : fine()),
        { settles }
      )
      const called = yield* Effect.fork(http.get(`${origin}/a`))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* told(yield* called), [200, "fine"])
      assert.deepStrictEqual([api.tokens().length, api.tokens().at(-1)], [10, "Bearer token-2"])
    })
  )

  it.scoped("an older one is replaced at once", () =>
    Effect.gen(function* () {
      let revoked = false
      const { api, http } = yield* connect(
        ({ authorization }) => (revoked && authorization === "Bearer token-1" ? denied() : fine()),
        { settles }
      )
      yield* http.get(`${origin}/a`)
      revoked = true
      yield* TestClock.adjust("1 minute")
      const called = yield* Effect.fork(http.get(`${origin}/a`))
      yield* TestClock.adjust("0 seconds")
      assert.deepStrictEqual(yield* told(yield* called), [200, "fine"])
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-1", "Bearer token-2"])
    })
  )

  it.scoped("one that is not declared to settle is replaced at once", () =>
    Effect.gen(function* () {
      const { api, http } = yield* connect((_, count) => (count === 1 ? denied() : fine()), {})
      yield* http.get(`${origin}/a`)
      assert.deepStrictEqual(api.tokens(), ["Bearer token-1", "Bearer token-2"])
    })
  )
})
