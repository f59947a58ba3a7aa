import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, TestClock } from "effect"
import * as Log from "../src/observability/Log.js"

const FORGED = "a\nWARN forged\u001b[2K\u202etxt.exe\u2028\u0085\u200b"

describe("the log", () => {
  for (const format of ["json", "pretty"]) {
    it.scoped(`as ${format}, is one line a message, and no key forges a line or turns one around`, () =>
      Effect.gen(function* () {
        const lines = yield* written
        const settings = ConfigProvider.fromMap(new Map([["EVERTOKEN_LOG", format]]))
        yield* Effect.logWarning("It fails", FORGED).pipe(
          Effect.annotateLogs("key", FORGED),
          Effect.zipRight(Effect.logDebug("not told")),
          Effect.provide(Log.layer),
          Effect.withConfigProvider(settings)
        )
        assert.strictEqual(lines.length, 1)
        const [line = ""] = lines
        assert.notMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        assert.include(line, "202e")
        if (format === "json") {
          const { date, key, level } = JSON.parse(line)
          assert.deepStrictEqual([date, level], ["1970-01-01T00:00:00.000Z", "WARN"])
          assert.isTrue(key.startsWith("a\\u{a}WARN forged\\u{1b}[2K\\u{202e}txt.exe"))
        } else assert.match(line, /^1970-01-01T00:00:00.000Z WARN {2}It fails/)
      })
    )
  }

  for (const name of ["EVERTOKEN_LOG", "EVERTOKEN_LOG_LEVEL"]) {
    it.effect(`names ${name} where it is none of what it can be, and repeats nothing`, () =>
      Effect.gen(function* () {
        const settings = ConfigProvider.fromMap(new Map([[name, "s3cret"]]))
        const used = Effect.provide(Effect.void, Log.layer)
        const error = yield* Effect.flip(Effect.withConfigProvider(used, settings))
        assert.strictEqual(error.setting, name)
        assert.notInclude(error.message, "s3cret")
      })
    )
  }

  it.effect("tells each name at most once a minute, and what is too much in one line", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const tell = (line: string) => Effect.sync(() => void told.push(line))
      const once = Log.rarelyEach(2, tell("more"))
      for (let second = 0; second < 90; second++) {
        for (const name of ["a", "b", "c", "d"]) yield* once(name, tell(name))
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(told.filter((line) => line === "a").length, 2)
      assert.isAtMost(told.length, 6)
    })
  )
})

/** What is written to the console while the test runs. */
const written = Effect.gen(function* () {
  const lines: Array<string> = []
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const log = console.log
      console.log = (line: string) => void lines.push(line)
      return log
    }),
    (log) =>
      Effect.sync(() => {
        console.log = log
      })
  )
  return lines
})
