import { assert, describe, it } from "@effect/vitest"
import { TokenEvent, TokenProviders } from "@evertoken/core"
import { Effect, HashMap, Layer, Logger, Option, Queue, Stream, TestClock } from "effect"
import * as Journal from "../src/observability/Journal.js"

describe("the log of connections", () => {
  it.scoped("tells a key that comes to fail, to need a login and to heal, once each", () =>
    Effect.gen(function* () {
      const { happens, lines } = yield* prepare
      const failed = TokenEvent.RefreshFailed({
        ...{ key: "a", error: "TokenEndpointError", retryAt: 0, served: true },
        message: "The token endpoint failed (unavailable, HTTP 503): maintenance until 9"
      })
      yield* happens(refreshed("a"))
      assert.deepStrictEqual(lines, [])
      yield* happens(failed, failed)
      yield* TestClock.adjust("2 minutes")
      yield* happens(failed)
      assert.deepStrictEqual(
        lines.map(([level, key]) => [level, key]),
        [["WARN", "a"]]
      )
      assert.include(lines[0]?.[2], "maintenance until 9")
      yield* happens(TokenEvent.ReauthorizationNeeded({ key: "a", reason: "invalid_grant" }))
      yield* TestClock.adjust("2 minutes")
      yield* happens(TokenEvent.Put({ key: "a", generation: 2 }))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(
        lines.map(([level]) => level),
        ["WARN", "ERROR", "INFO"]
      )
    })
  )

  it.scoped("tells at most one line a minute for each key, and in the end how it stands", () =>
    Effect.gen(function* () {
      const { happens, lines } = yield* prepare
      const failed = TokenEvent.RefreshFailed({ key: "b", error: "x", message: "m", retryAt: 0, served: false })
      for (let second = 0; second < 125; second++) {
        yield* happens(second % 2 === 0 ? failed : refreshed("b"))
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(lines.length, 3)
      yield* happens(refreshed("b"))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(lines.at(-1)?.[0], "INFO")
    })
  )
})

const refreshed = (key: string) => TokenEvent.Refreshed({ key, generation: 1, by: "refresh", expiresAt: undefined })

/** The journal at work, what happens, and the lines that it wrote: level, key, message. */
const prepare = Effect.gen(function* () {
  const lines: Array<readonly [level: string, key: string, message: string]> = []
  const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
    lines.push([logLevel.label, `${Option.getOrNull(HashMap.get(annotations, "key"))}`, `${message}`])
  })
  const queue = yield* Queue.unbounded<TokenEvent>()
  yield* Layer.build(
    Journal.layer.pipe(
      Layer.provide(Layer.mock(TokenProviders, { events: Stream.fromQueue(queue) })),
      Layer.provide(Logger.replace(Logger.defaultLogger, logger))
    )
  )
  const happens = (...events: ReadonlyArray<TokenEvent>) =>
    Effect.zipRight(Queue.offerAll(queue, events), TestClock.adjust("1 millis"))
  return { happens, lines }
})
