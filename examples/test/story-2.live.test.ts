import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { tellStory } from "./tellStory.js"

it.live(
  "a token that is always warm: the story runs, and the far side's log says what it should",
  () =>
    Effect.gen(function* () {
      const { code, text } = yield* tellStory(2)
      assert.strictEqual(code, 0, text)
      assert.match(text, /tokens in the day +58 +58 {2}✓/)
      assert.notInclude(text, "✗")
    }),
  300_000
)
