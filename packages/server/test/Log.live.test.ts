import { assert, describe, it } from "@effect/vitest"
import { refuse } from "@evertoken/authority"
import { Effect, Option } from "effect"
import { preloaded, servingOn } from "./Serving.js"

/** All that a process writes in which one connection fails at first, and another comes to need a login. */
const written = (more: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { authority, bin, call } = yield* servingOn({ more, quiet: true })
    yield* authority.break(refuse(503), 1)
    assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
    const body = JSON.stringify({ key: "dead", accessToken: "a", refreshToken: "made-up", expiresIn: 300 })
    const { json } = yield* call("/v1/token", { method: "PUT", body })
    assert.strictEqual((yield* call(`/v1/token?key=dead&rejected=${json.generation}`)).status, 409)
    yield* bin.says(/A connection needs a login/)
    yield* bin.kill("SIGTERM")
    const { code, err, out } = yield* bin.ended
    assert.deepStrictEqual([code, err], [0, ""])
    return out.trim().split("\n")
  }).pipe(Effect.scoped)

const FAILS = "A connection fails, it has no valid token: The token endpoint of"
const LOGIN = "A connection needs a login: invalid_grant"

describe("the log of the service's process", () => {
  for (const [level, expected] of [
    ["debug", ["DEBUG", "ERROR", "INFO", "WARN"]],
    ["info", ["ERROR", "INFO", "WARN"]],
    ["warning", ["ERROR", "WARN"]],
    ["error", ["ERROR"]]
  ] as const) {
    it.live(`at EVERTOKEN_LOG_LEVEL=${level} has ${expected.join(", ")} and nothing below, each a line of JSON`, () =>
      Effect.gen(function* () {
        const lines = (yield* written({ EVERTOKEN_LOG: "json", EVERTOKEN_LOG_LEVEL: level })).map((line) =>
          JSON.parse(line)
        )
        const levels: ReadonlyArray<string> = lines.map(({ level }) => level)
        assert.deepStrictEqual([...new Set(levels)].sort(), [...expected])
        for (const { date } of lines) assert.strictEqual(new Date(date).toISOString(), date)
        const ofLevel = (level: string) => lines.filter((line) => line.level === level)
        assert.deepInclude(ofLevel("ERROR")[0], { key: "dead", message: LOGIN, standing: "login" })
        for (const warning of ofLevel("WARN")) {
          assert.deepInclude(warning, { key: "billing", standing: "failing" })
          assert.include(warning.message, FAILS)
        }
        if (levels.includes("INFO"))
          assert.match(
            ofLevel("INFO")
              .map(({ message }) => message)
              .join(),
            /Listening on/
          )
      })
    )
  }

  it.live("at EVERTOKEN_LOG=pretty has a line for people for each, from info on where no level is set", () =>
    Effect.gen(function* () {
      const lines = yield* written({ EVERTOKEN_LOG: "pretty" })
      for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (?:INFO |WARN |ERROR) \S/)
      assert.isTrue(lines.some((line) => line.includes("INFO  Listening on")))
      assert.isTrue(lines.some((line) => line.includes(`WARN  ${FAILS}`) && line.includes('key="billing"')))
      assert.isTrue(lines.some((line) => line.includes(`ERROR ${LOGIN}`) && line.includes('key="dead"')))
    })
  )

  it.scopedLive("tells that a connection is well again, a minute after it told that it fails", () =>
    Effect.gen(function* () {
      const { authority, bin, call } = yield* servingOn({ more: preloaded(LATER) })
      yield* authority.break(refuse(503), 1)
      assert.strictEqual((yield* call("/v1/token?key=billing")).status, 200)
      yield* bin.says(/"message":"A connection fails, .*"key":"billing"/)
      process.kill(bin.pid, "SIGUSR2")
      const healed = bin.says(/"level":"INFO","message":"A connection is well again: Refreshed",.*"key":"billing"/)
      assert.isTrue(Option.isSome(yield* Effect.timeoutOption(Effect.disconnect(healed), "30 seconds")))
    })
  )
})

/** At SIGUSR2 the clock goes forth by a minute. */
const LATER = `
  const { now } = Date
  let ahead = 0
  Date.now = () => now() + ahead
  process.once("SIGUSR2", () => { ahead = 60_000 })
`
