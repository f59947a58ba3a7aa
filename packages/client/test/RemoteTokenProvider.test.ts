import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { InvalidOption, Redacted } from "@evertoken/core"
import { Effect, type Scope } from "effect"
import { RemoteTokenProvider } from "../src/index.js"

/** Options as a caller without types passes them. */
const made = (more: object): Effect.Effect<unknown, unknown, HttpClient.HttpClient | Scope.Scope> =>
  RemoteTokenProvider.make(
    Object.assign(JSON.parse("{}"), { url: "https://tokens.example.com", apiKey: Redacted.make("a"), key: "k" }, more)
  )

describe("P13: a remote provider, typed as", () => {
  const rows: ReadonlyArray<readonly [typed: string, options: object, option: string, word: string]> = [
    ["http", { url: "http://tokens.example.com" }, "url", "https"],
    ["no url", { url: undefined }, "url", "an https URL without credentials in it"],
    ["an API key as text", { apiKey: "a" }, "apiKey", "Redacted.make"],
    ["apikey", { apiKey: undefined, apikey: Redacted.make("a") }, "apikey", 'did you mean "apiKey"?'],
    ["no key", { key: "" }, "key", "the key of the tokens"],
    ["a policy without make", { policy: { ahead: "5 minutes" } }, "policy", "RefreshPolicy.make"]
  ]
  for (const [typed, options, option, word] of rows) {
    it.scoped(`${typed}, names "${option}" before anything is sent`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(made(options))
        assert.instanceOf(error, InvalidOption)
        assert.strictEqual(error.option, option)
        assert.include(error.message, word)
      }).pipe(
        Effect.provideService(
          HttpClient.HttpClient,
          HttpClient.make(() => Effect.dieMessage("something was sent"))
        )
      )
    )
  }
})
