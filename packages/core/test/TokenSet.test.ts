import { assert, describe, it } from "@effect/vitest"
import { InvalidOption, TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Redacted } from "effect"

describe("a token set", () => {
  it("knows a type of token whatever spaces and capitals it is written with", () => {
    for (const [given, type] of [
      [" DPoP", "DPoP"],
      ["dpop ", "DPoP"],
      ["BEARER", "Bearer"],
      ["", "Bearer"],
      [" MAC", "MAC"]
    ] as const) {
      assert.strictEqual(TokenSet.make({ accessToken: "a", tokenType: given }).tokenType, type)
    }
  })

  it.effect("takes no token and no type that a header cannot carry, whoever makes it, and repeats neither", () =>
    Effect.gen(function* () {
      const tokens = ["s3cret\r\nX: y", "s3cret s3cret", "s3crét", "s3cret\0", "s3cret\ud800"]
      for (const accessToken of [...tokens, ...tokens.map((text) => Redacted.make(text))]) {
        assert.strictEqual(refused({ accessToken }).option, "accessToken")
      }
      for (const tokenType of ["s3cret x", "s3cret\r\nX: y", "s3crét", "s3cret,"]) {
        assert.strictEqual(refused({ accessToken: "a", tokenType }).option, "tokenType")
      }
      const login = Effect.sync(() => TokenSet.make({ accessToken: "s3cret s3cret" }))
      const provider = yield* TokenProvider.make({ key: "key", source: TokenSource.make({ login }) })
      const error = yield* Effect.flip(provider.get)
      assert.strictEqual(error._tag, "TokenSourceDefect")
      assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "s3cret")
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )
})

const refused = (options: Parameters<typeof TokenSet.make>[0]): InvalidOption => {
  try {
    TokenSet.make(options)
  } catch (error) {
    assert.instanceOf(error, InvalidOption)
    assert.notInclude(`${error} ${JSON.stringify(error)}`, "s3cr")
    return error
  }
  throw new Error("it was taken")
}
