import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const file = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")
const readme = file("../../README.md")
const programs = ["../", "../stories/", "./"].flatMap((folder) =>
  readdirSync(new URL(folder, import.meta.url))
    .filter((name) => /\.m?[jt]s$/.test(name))
    .map((name) => file(folder + name))
)

const pages = ["README.md", "docs/coming-from.md", "docs/frameworks.md", "docs/runtimes.md", "docs/testing.md"].map(
  (path) => [path, file(`../../${path}`)] as const
)

describe("the README and the docs", () => {
  for (const [path, text] of pages) {
    // What is no program of the examples is a module or a server, which pack-check starts from the page.
    for (const [, code = ""] of text.matchAll(/^```[jt]s\n(.*?)^```$/gms)) {
      if (path === "docs/frameworks.md" && code.includes("./")) continue
      if (path === "docs/frameworks.md" && code.startsWith("// tokens.js")) continue
      it(`${path} shows code that is a program of the examples: ${code.split("\n").find((line) => !line.startsWith("import"))}`, () => {
        assert.isTrue(programs.some((program) => program.includes(code.trim())))
      })
    }
  }

  it("the README fits in 150 lines", () => {
    assert.isAtMost(readme.split("\n").length, 151)
  })
})
