import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const file = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")
const readme = file("../../README.md")
const programs = ["../", "./"].flatMap((folder) =>
  readdirSync(new URL(folder, import.meta.url))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => file(folder + name))
)

describe("README", () => {
  for (const [, code = ""] of readme.matchAll(/^```ts\n(.*?)^```$/gms)) {
    it(`shows code that is type-checked: ${code.split("\n").find((line) => !line.startsWith("import"))}`, () => {
      assert.isTrue(programs.some((program) => program.includes(code.trim())))
    })
  }

  it("fits in 150 lines", () => {
    assert.isAtMost(readme.split("\n").length, 151)
  })
})
