import { HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { TokenHttpClient, type TokenSetOptions } from "@evertoken/core"
import type { FakeApiRequest } from "@evertoken/core/testing"
import { Deferred, Effect, Fiber, Redacted, Stream } from "effect"
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, exportJWK, generateKeyPair, jwtVerify } from "jose"
import { fakeApi, fakeProvider, origin } from "./api.js"

const setup = (answer: Parameters<typeof fakeApi>[0], tokens?: (count: number) => Partial<TokenSetOptions>) =>
  Effect.gen(function* () {
    const { privateKey } = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
    const jwk = yield* Effect.promise(() => exportJWK(privateKey))
    const proofKey = Redacted.make(JSON.stringify(jwk))
    const api = fakeApi(answer)
    const fake = yield* fakeProvider((count) => ({ tokenType: "dpop", proofKey, ...tokens?.(count) }))
    const http = yield* TokenHttpClient.make({
      origins: [origin, "https://other.example.com"],
      provider: Effect.succeed(fake.provider)
    }).pipe(Effect.provideService(HttpClient.HttpClient, api.client))
    return { api, fake, http, jwk }
  })

const fine = () => new Response("fine")
const wantsNonce = (nonce: string) =>
  new Response("nonce", {
    status: 401,
    headers: { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": nonce }
  })
const rejects = () => new Response("no", { status: 401, headers: { "www-authenticate": 'DPoP error="invalid_token"' } })

/** What the proof of a request says, once its signature holds. */
const proofOf = ({ headers }: FakeApiRequest) =>
  Effect.promise(async () => {
    const proof = headers.dpop ?? ""
    const { payload } = await jwtVerify<{ ath: string; htm: string; htu: string; nonce?: string }>(proof, EmbeddedJWK, {
      typ: "dpop+jwt",
      currentDate: new Date(0)
    })
    const { jwk } = decodeProtectedHeader(proof)
    return { ...payload, key: jwk === undefined ? "" : await calculateJwkThumbprint(jwk) }
  })
const nonceOf = (seen: FakeApiRequest) => Effect.map(proofOf(seen), ({ nonce }) => nonce)

describe("a bound token (DPoP, RFC 9449)", () => {
  it.scoped("goes with a proof of its own for each attempt: method, URL without query, hash of the token", () =>
    Effect.gen(function* () {
      const { api, http, jwk } = yield* setup(({ authorization }) =>
        authorization === "DPoP token-1" ? rejects() : fine()
      )
      yield* http.post(`${origin}/a/b?c=d#e`)
      const [first, second] = yield* Effect.forEach(api.seen, proofOf)
      assert.deepInclude(first, {
        htm: "POST",
        htu: `${origin}/a/b`,
        key: yield* Effect.promise(() => calculateJwkThumbprint(jwk)),
        ath: "PwiqzhIu4jaEMsHKI6BJvGQLr78A_fM6UkKfOLoS2_k"
      })
      assert.notStrictEqual(first?.jti, second?.jti)
      assert.notStrictEqual(first?.ath, second?.ath)
      assert.deepStrictEqual(api.tokens(), ["DPoP token-1", "DPoP token-2"])
    })
  )

  it.scoped(
    "P7: that lacks the server's nonce is sent again with it: no refresh, and the retry of a 401 is still to come",
    () =>
      Effect.gen(function* () {
        const { api, fake, http } = yield* setup(({ authorization }, count) =>
          count === 1 ? wantsNonce("n1") : authorization === "DPoP token-1" ? rejects() : fine()
        )
        const response = yield* http.get(`${origin}/a`)
        assert.strictEqual(response.status, 200)
        assert.deepStrictEqual(api.tokens(), ["DPoP token-1", "DPoP token-1", "DPoP token-2"])
        assert.deepStrictEqual(yield* Effect.forEach(api.seen, nonceOf), [undefined, "n1", "n1"])
        assert.strictEqual(fake.posts(), 2)
      })
  )

  it.scoped("keeps the newest nonce of each origin for the next request", () =>
    Effect.gen(function* () {
      const { api, http } = yield* setup(({ url }, count) =>
        url.origin === origin ? new Response("", { headers: { "dpop-nonce": `n${count}` } }) : fine()
      )
      for (const url of [`${origin}/a`, `${origin}/b`, "https://other.example.com/c", `${origin}/d`])
        yield* http.get(url)
      assert.deepStrictEqual(yield* Effect.forEach(api.seen, nonceOf), [undefined, "n1", undefined, "n2"])
    })
  )

  it.scoped("P7: is sent again with the nonce of its own answer, wherever an answer with an older one falls", () =>
    Effect.gen(function* () {
      for (let at = 0; at < 24; at++) {
        const [ops, later] = [12 + (at % 8), Math.floor(at / 8)]
        const gate = yield* Deferred.make<void>()
        const older = new Response("", { headers: { "dpop-nonce": "n1" } })
        const { api, http } = yield* setup(({ url }, count) => {
          if (url.pathname === "/first") return older
          if (url.pathname === "/a" && count <= 3) return Effect.as(Deferred.await(gate), wantsNonce("n2"))
          if (url.pathname === "/a") return fine()
          const wait = Effect.zipRight(Deferred.await(gate), Effect.yieldNow().pipe(Effect.repeatN(later)))
          return Effect.as(wait, older)
        })
        yield* http.get(`${origin}/first`)
        // Another fiber has its turn after every few steps.
        const calls = [http.get(`${origin}/a`), http.get(`${origin}/b`)].map(Effect.withMaxOpsBeforeYield(ops))
        const both = yield* Effect.fork(Effect.all(calls, { concurrency: 2 }))
        while (api.seen.length < 3) yield* Effect.promise(() => new Promise((done) => setTimeout(done, 1)))
        yield* Deferred.succeed(gate, undefined)
        const [a] = yield* Fiber.join(both)
        assert.strictEqual(a?.status, 200, `${ops} steps a turn, ${later} turns later`)
        assert.strictEqual(yield* nonceOf(api.seen[3] ?? assert.fail()), "n2")
      }
    })
  )

  it.scoped("P7: is not sent for ever to a server that always wants another nonce", () =>
    Effect.gen(function* () {
      const { api, fake, http } = yield* setup((_, count) => wantsNonce(`n${count}`))
      const response = yield* http.get(`${origin}/a`)
      assert.deepStrictEqual([response.status, api.seen.length, fake.posts()], [401, 2, 1])
      assert.propertyVal(TokenHttpClient.refusal(response), "_tag", "NonceRequired")
    })
  )

  it.scoped("P7: is not sent again with a body that can be sent once only, and the next request has the nonce", () =>
    Effect.gen(function* () {
      const { api, fake, http } = yield* setup((_, count) => (count === 1 ? wantsNonce("n1") : fine()))
      const body = HttpBody.stream(Stream.fromReadableStream(() => new Blob(["once"]).stream(), String))
      const request = HttpClientRequest.post(`${origin}/a`).pipe(HttpClientRequest.setBody(body))
      const response = yield* http.execute(request)
      assert.deepStrictEqual([response.status, api.seen.length, fake.posts()], [401, 1, 1])
      assert.propertyVal(TokenHttpClient.refusal(response), "_tag", "BodyNotReplayable")
      yield* http.get(`${origin}/b`)
      assert.deepStrictEqual(yield* Effect.forEach(api.seen, nonceOf), [undefined, "n1"])
    })
  )

  it.scoped("proves with the key that the newest token is bound to", () =>
    Effect.gen(function* () {
      const { privateKey } = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
      const other = yield* Effect.promise(() => exportJWK(privateKey))
      const { api, http, jwk } = yield* setup(
        ({ authorization }) => (authorization === "DPoP token-1" ? rejects() : fine()),
        (count) => (count === 1 ? {} : { proofKey: Redacted.make(JSON.stringify(other)) })
      )
      yield* http.get(`${origin}/a`)
      const keys = yield* Effect.forEach([jwk, other], (jwk) => Effect.promise(() => calculateJwkThumbprint(jwk)))
      assert.deepStrictEqual(
        (yield* Effect.forEach(api.seen, proofOf)).map(({ key }) => key),
        keys
      )
    })
  )

  it.scoped("fails with a key that cannot sign, and shows none of it", () =>
    Effect.gen(function* () {
      const proofKey = Redacted.make('{"kty":"EC","crv":"P-256","d":"canary"}')
      const { api, http } = yield* setup(fine, () => ({ proofKey }))
      const error = yield* Effect.flip(http.get(`${origin}/a`))
      assert.propertyVal(error, "reason", "Encode")
      assert.include(String(error), "proofKey")
      assert.notInclude(String(error), "canary")
      assert.strictEqual(api.seen.length, 0)
    })
  )
})
