import { format, inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { AccessToken, SecretInText, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Equal, Hash, Inspectable, Redacted } from "effect"

const SECRET = "s3cret-access"
const tokens = TokenSet.make({
  accessToken: Redacted.make(SECRET),
  refreshToken: "s3cret-refresh",
  expiresIn: "1 hour"
})

/** The secrets that callers and sources are handed: made, read from a store, and given by a provider. */
const handed = Effect.gen(function* () {
  const provider = yield* TokenProvider.make({
    key: "k",
    source: TokenSource.make({ login: Effect.succeed(tokens) })
  })
  const token = yield* provider.get
  const kept = yield* TokenSet.decode(TokenSet.encode(tokens))
  return { token, value: token.value, kept: kept.accessToken, refreshToken: kept.refreshToken ?? token.value }
}).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))

describe("a token and its secrets", () => {
  it.effect("throw where they are put into a text, and say what to write instead", () =>
    Effect.gen(function* () {
      for (const secret of Object.values(yield* handed)) {
        const texts = [
          () => `Bearer ${secret}`,
          // biome-ignore lint/style/useTemplate: it is what people write
          () => "Bearer " + secret,
          () => String(secret),
          () => ["Bearer", secret].join(" "),
          () => encodeURIComponent(Object(secret)),
          () => new Headers({ authorization: Object(secret) })
        ]
        for (const text of texts) {
          const error = yield* Effect.flip(Effect.try<unknown, unknown>({ try: text, catch: (error) => error }))
          assert.instanceOf(error, SecretInText)
          assert.include(error.message, "Redacted.value(token.value)")
        }
      }
    })
  )

  it.effect("are shown by logs, inspection and JSON, without the secret", () =>
    Effect.gen(function* () {
      for (const secret of Object.values(yield* handed)) {
        const shown = [
          inspect(secret, { depth: 5, showHidden: true }),
          format("%s %o %j", secret, secret, secret),
          format("token", secret),
          JSON.stringify({ secret }),
          Inspectable.toStringUnknown(secret),
          Inspectable.format(secret)
        ]
        for (const text of shown) {
          assert.include(text, "<redacted>")
          assert.notInclude(text, "s3cret")
        }
        yield* Effect.logInfo("token", secret)
      }
    })
  )

  it.effect("stay values: opened, compared and hashed as any Redacted", () =>
    Effect.gen(function* () {
      const { token, value } = yield* handed
      assert.strictEqual(Redacted.value(value), SECRET)
      assertEquals(value, Redacted.make(SECRET))
      assert.isTrue(Equal.equals(token, new AccessToken({ ...token })))
      assert.strictEqual(Hash.hash(value), Hash.hash(Redacted.make(SECRET)))
      assert.deepStrictEqual(Object.keys(value), [])
    })
  )
})
