import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")
const page = read("docs/mcp.md")
const script = (name: string) => read(`consumers/mcp/move/${name}`).trimEnd()

describe("docs/mcp.md", () => {
  it("shows the provider and the store of the script that CI moves", () => {
    for (const name of ["provider.mjs", "store.mjs"]) assert.include(page, `// ${name}\n${script(name)}\n\`\`\``)
  })

  it("shows the five lines in which the script after differs from the script before, in their places", () => {
    const diff = page.split("```diff\n")[1]?.split("\n```")[0] ?? ""
    const lines = diff.split("\n")
    const having = (mark: string) =>
      lines.filter((line) => line[0] === mark || line[0] === " ").map((line) => line.slice(1))
    const isWithin = (part: ReadonlyArray<string>, whole: ReadonlyArray<string>) => {
      let at = 0
      for (const line of whole) if (line === part[at]) at++
      return at === part.length
    }
    assert.isTrue(isWithin(having("-"), script("before.mjs").split("\n")))
    assert.isTrue(isWithin(having("+"), script("after.mjs").split("\n")))
    const added = lines.filter((line) => line[0] === "+").map((line) => line.slice(1))
    const before = script("before.mjs").split("\n")
    assert.deepStrictEqual(
      added,
      script("after.mjs")
        .split("\n")
        .filter((line) => !before.includes(line))
    )
    assert.strictEqual(added.length, 5)
  })
})
