import { assert, describe, it } from "@effect/vitest"
import * as providers from "@evertoken/providers"
import { Effect, Schema } from "effect"
import { answers } from "../../providers/test/answers.js"
import { Recorded, toldOf } from "../src/cli/ProfileAnswer.js"

describe("what a profile makes of an answer", () => {
  it.effect("is told in words, for tokens and for errors", () =>
    Effect.gen(function* () {
      const xero = { status: 200, body: { access_token: "at", refresh_token: "rt", expires_in: 1800, scope: "a b" } }
      assert.deepStrictEqual(yield* told(providers.xero, xero), {
        good: true,
        lines: ["token  of type Bearer; it lives for 30m", "       a refresh token", "       scopes: a b"]
      })
      const kept = yield* told(providers.salesforce, { body: { access_token: "at" } })
      assert.deepStrictEqual([kept.good, kept.lines.at(-1)], [false, "WRONG  answer.keep: there is no instance_url"])
      const gone = yield* told(providers.slack, { body: { ok: false, error: "invalid_refresh_token" } })
      assert.deepStrictEqual([gone.good, gone.lines[0]?.slice(0, 20)], [true, "error  GrantRejected"])
      const none = yield* told(providers.xero, { body: { token: "at" } })
      assert.deepStrictEqual([none.good, none.lines[0]?.slice(0, 25)], [false, "WRONG  TokenEndpointError"])
    })
  )

  it.effect("is not told while a secret is left in it", () =>
    Effect.gen(function* () {
      const secret = "abc123".repeat(5)
      const { good, lines } = yield* told(providers.google, { body: { data: { access_token: secret } } })
      assert.isFalse(good)
      assert.deepStrictEqual(lines, [
        "WRONG  body.data.access_token looks like a secret: write a short word in its place"
      ])
    })
  )

  it.effect("can be told for each profile that there is", () =>
    Effect.gen(function* () {
      for (const profile of Object.values(providers)) {
        const { lines } = yield* told(profile, answers[profile.id]?.dead ?? assert.fail("it has no answers"))
        assert.match(lines[0] ?? "", /^error {2}(?:GrantRejected|ClientRejected)/, profile.id)
      }
    })
  )
})

const told = (profile: unknown, answer: unknown) =>
  Effect.flatMap(Schema.decodeUnknown(Recorded)(answer), (recorded) => toldOf(profile, recorded))
