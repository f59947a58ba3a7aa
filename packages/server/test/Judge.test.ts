import { assert, describe, it } from "@effect/vitest"
import type { LogEntry } from "@evertoken/authority"
import { HELD, LIFETIME, judge as of } from "./judge.js"

describe("what a log says of a refresh token that came again", () => {
  const first = request("1", "2", 10_000)

  it("nothing is said where none did", () => {
    const log = [first, request("2", "3", 20_000)]
    assert.deepInclude(judge(log, none), { replays: 0, unexplained: [], starved: [] })
  })

  it("in its window, after its process was killed, it is explained", () => {
    const again = request("1", "2b", 13_000, { agent: "b" })
    assert.deepInclude(judge([first, again], new Map([["a", 10_100]])), { replays: 1, overtaken: 0, unexplained: [] })
  })

  it("a holder that lives may be overtaken once its lease ran out, and not before", () => {
    const [late, soon] = [HELD, HELD - 1].map((since) => request("1", "2b", 10_000 + since, { agent: "b" }))
    assert.deepInclude(judge([first, ...(late ? [late] : [])], none), { overtaken: 1, unexplained: [] })
    const [told = ""] = judge([first, ...(soon ? [soon] : [])], none).unexplained
    assert.include(told, "its holder was alive and had its lease")
  })

  it("an answer that did not arrive explains it", () => {
    const again = request("1", "2b", 10_500, { agent: "b" })
    assert.deepInclude(judge([{ ...first, delivered: false }, again], none), { replays: 1, unexplained: [] })
  })

  it("nothing explains it once what it brought is in use, whoever was killed", () => {
    const log = [first, request("2", "3", 20_000, { agent: "b" }), request("1", "2b", 21_000, { agent: "b" })]
    const [told = ""] = judge(log, new Map([["a", 10_100]])).unexplained
    assert.include(told, "what it had brought was in use")
  })

  describe("after its window", () => {
    const killed = new Map([["a", 10_100]])
    const late = request("1", undefined, 31_000, { agent: "b", alarm: true, outcome: "refused" })
    /** Nine other keys, each renewed once in each of these intervals. */
    const others = (...ages: ReadonlyArray<number>) =>
      Array.from({ length: 9 }, (_, key) => {
        const begins = 12_000 + key - (ages[0] ?? 0)
        const at = (turn: number) => begins + ages.slice(0, turn).reduce((sum, age) => sum + age, 0)
        return [0, ...ages].map((_, turn) => request(`${key}-${turn}`, `${key}-${turn + 1}`, at(turn)))
      }).flat()

    it("nothing explains it where all others were renewed in time: nobody looked", () => {
      const { dead, missed, starved, unexplained } = judge([first, ...others(LIFETIME / 2, LIFETIME / 2), late], killed)
      assert.deepStrictEqual([starved, unexplained, missed.length, [...dead]], [[], [], 1, ["1"]])
      assert.include(missed[0], "nobody looked at it in its window")
    })

    it("a starved machine explains it where the others were late, or not renewed at all", () => {
      for (const ages of [[LIFETIME, LIFETIME / 2], [LIFETIME / 2], []]) {
        const { dead, missed, starved } = judge([first, ...others(...ages), late], killed)
        assert.deepStrictEqual([starved.length, missed, [...dead]], [1, [], ["1"]])
      }
    })
  })
})

const judge = (log: ReadonlyArray<LogEntry>, killed: ReadonlyMap<string, number>) => of(log, killed, 10)

const none = new Map<string, number>()

function request(presented: string, issued: string | undefined, at: number, more: Partial<LogEntry> = {}): LogEntry {
  return {
    ...{ endpoint: "token", at, took: 5, agent: "a", outcome: "ok", alarm: false, delivered: true, presented, issued },
    ...more
  }
}
