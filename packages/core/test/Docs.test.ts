import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")

const found = (path: string, pattern: RegExp): ReadonlyArray<string> =>
  [...read(`packages/core/src/${path}`).matchAll(pattern)].flatMap(([, name]) => name ?? [])

const explains = (page: string, names: ReadonlyArray<string>): void => {
  const text = read(`docs/${page}`)
  assert.isAbove(names.length, 4)
  for (const name of names) assert.include(text, `\`${name}\``, `${page} does not explain it`)
}

describe("the documentation", () => {
  it("explains each event, and no other", () => {
    const events = found("model/TokenEvent.ts", /^ {2}(\w+): \{/gm)
    explains("observability.md", events)
    const table = read("docs/observability.md").split("## Metrics")[0] ?? ""
    const rows = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    assert.deepStrictEqual([...rows].sort(), [...events].sort())
  })

  it("explains each metric", () => {
    explains("observability.md", found("model/TokenMetrics.ts", /"(evertoken_\w+)"/g))
  })

  it("explains each class of error and each reason of an endpoint's failure", () => {
    explains("errors.md", found("model/TokenError.ts", /^export class (\w+)/gm))
    explains("errors.md", ["unreachable", "unavailable", "throttled", "timeout", "disconnected", "unreadable"])
  })

  it("names each room and what it may import, as the linter has it", () => {
    const { overrides } = JSON.parse(read("biome.json"))
    const page = read("CONTRIBUTING.md")
    assert.isAbove(overrides.length, 15)
    for (const { includes, linter } of overrides) {
      const [, room] = /^packages\/[\w-]+\/src\/(\w+)\/\*\*$/.exec(includes[0]) ?? []
      if (room === undefined) continue
      const { group } = linter.rules.style.noRestrictedImports.options.patterns[0]
      const rooms = group.filter((glob: string) => glob.startsWith("!") && glob.endsWith("/**"))
      const allowed = rooms.map((glob: string) => `\`${glob.slice("!../".length, -"/**".length)}\``)
      assert.include(page, `| \`${room}/\` | ${allowed.join(" ") || "nothing"} |`)
    }
  })

  it("of a long file says why it is one", () => {
    const packages = new URL("../../", import.meta.url)
    const sources = readdirSync(packages, { recursive: true, encoding: "utf8" }).filter((path) =>
      /^[\w-]+\/src\/.*\.ts$/.test(path)
    )
    assert.isAbove(sources.length, 150)
    const long = sources.filter((path) => read(`packages/${path}`).split("\n").length > 201)
    assert.deepStrictEqual(
      long.filter((path) => !read(`packages/${path}`).slice(0, 500).includes("// Longer than 200 lines: ")),
      []
    )
  })
})
