import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from "jose"
import { proof, prover } from "../src/transport/DpopProof.js"
import { generateKey } from "../src/transport/SigningKey.js"

describe("proof", () => {
  it.effect("describes one request, signed by the key it names", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_767_225_600_000)
      const key = yield* generateKey
      const request = {
        method: "GET",
        url: "https://api.example.com/invoices?secret=1#top",
        accessToken: Redacted.make("at")
      }
      const jwt = yield* proof(key, { ...request, nonce: "n-1" })
      const { payload, protectedHeader } = yield* Effect.promise(() =>
        jwtVerify(jwt, EmbeddedJWK, { currentDate: new Date(1_767_225_600_000) })
      )
      const { jti, ...claims } = payload
      assert.isString(jti)
      assert.deepStrictEqual(claims, {
        htm: "GET",
        htu: "https://api.example.com/invoices",
        ath: createHash("sha256").update("at").digest("base64url"),
        nonce: "n-1",
        iat: 1_767_225_600
      })
      assert.deepInclude(protectedHeader, { typ: "dpop+jwt", alg: "ES256" })
      assert.hasAllKeys(protectedHeader.jwk, ["kty", "crv", "x", "y"])
    })
  )

  it.effect("is new each time, by the same key", () =>
    Effect.gen(function* () {
      const prove = yield* prover(yield* generateKey)
      const [first, second] = yield* Effect.all([
        prove({ method: "POST", url: "https://auth.example.com/token" }),
        prove({ method: "POST", url: "https://auth.example.com/token" })
      ])
      assert.notStrictEqual(decodeJwt(first).jti, decodeJwt(second).jti)
      assert.notProperty(decodeJwt(first), "ath")
      const thumbprint = (jwt: string) =>
        Effect.promise(() => calculateJwkThumbprint(decodeProtectedHeader(jwt).jwk ?? {}))
      assert.strictEqual(yield* thumbprint(first), yield* thumbprint(second))
    })
  )

  it.effect("fails typed with what is no key or no address, and repeats neither", () =>
    Effect.gen(function* () {
      const key = yield* generateKey
      for (const [bad, url] of [
        [Redacted.make("canary"), "https://api.example.com"],
        [Redacted.make('{"kty":"EC","crv":"P-256","x":"canary","y":"canary","d":"canary"}'), "https://api.example.com"],
        [key, "canary"]
      ] as const) {
        const error = yield* Effect.flip(proof(bad, { method: "GET", url }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "proofKey" })
        assert.notInclude(JSON.stringify(error) + error.message, "canary")
      }
    })
  )
})
