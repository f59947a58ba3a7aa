import { assert, describe, it } from "@effect/vitest"
import { draw, type Scene } from "../demo/Timeline.js"

describe("Timeline", () => {
  it("shows calls, the life left in each token, and what the server was asked", () => {
    assert.deepStrictEqual(draw(scene, 10_000, { width: 20, color: false }), [
      "1  Renewed.  Tokens live 4 seconds.",
      "  calls   · · · · ·!· · · █ ✗  1008 ok, 1 failed",
      "  token   ▇▇▆▅▇▇▆▅▄!▇▇▆▅▄▃▂▁__ 1 refused",
      "  server  ◆───◆────×◆───────── 3 issued, 1 × 503"
    ])
  })

  it("leaves what has not happened yet blank", () => {
    const [, calls, token, server] = draw(scene, 900, { width: 20, color: false })
    assert.deepStrictEqual(
      [calls, token, server].map((line) => line?.slice(10, 30)),
      ["·                   ", "▇▇                  ", "◆─                  "]
    )
  })

  it("colors only where asked to", () => {
    const escape = "\u001b["
    assert.isFalse(draw(scene, 10_000, { width: 20, color: false }).join("").includes(escape))
    assert.isTrue(draw(scene, 10_000, { width: 20, color: true }).join("").includes(escape))
  })
})

const entry = { took: 1, alarm: false, delivered: true } as const
const post = { ...entry, endpoint: "token" } as const

const scene: Scene = {
  title: "1  Renewed.",
  about: "Tokens live 4 seconds.",
  start: 0,
  length: 10_000,
  tokens: [0, 2_000, 5_000].map((at) => ({ at, expiresAt: at + 4_000 })),
  calls: [
    ...Array.from({ length: 8 }, (_, index) => ({ at: index * 1_000, count: 1, ok: true })),
    { at: 8_000, count: 1_000, ok: true },
    { at: 9_000, count: 1, ok: false }
  ],
  log: [
    { ...post, at: 0, outcome: "ok" },
    { ...post, at: 2_000, outcome: "ok" },
    { ...post, at: 4_500, outcome: "unavailable" },
    { ...entry, endpoint: "introspection", at: 4_600, outcome: "ok", active: false },
    { ...post, at: 5_000, outcome: "ok" }
  ]
}
