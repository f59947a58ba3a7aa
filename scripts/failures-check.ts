// The catalogue of failures names the test that holds each row: fails where one is gone, or where a row has none and does
// not say so.
import { readdirSync, readFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const files = new Map<string, string>()
for (const folder of ["packages", "examples/test"]) {
  for (const path of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
    if (/node_modules|(?:^|\/)dist\//.test(path) || !/\.test\.ts$|\/testing\/\w+\.ts$/.test(path)) continue
    const text = readFileSync(join(root, folder, path), "utf8")
    files.set(basename(path), (files.get(basename(path)) ?? "") + text)
  }
}

const problems: Array<string> = []
const lines = readFileSync(join(root, "docs/failures.md"), "utf8").split("\n")
for (const [at, line] of lines.entries()) {
  if (!line.startsWith("| ") || line.startsWith("| | elsewhere")) continue
  const named = [...line.matchAll(/`([\w.-]+\.ts)`: "([^"]+)"/g)]
  if (named.length === 0 && !line.includes("no test holds it")) {
    problems.push(`${at + 1}: names no test, and does not say that no test holds it`)
  }
  for (const [, file = "", title = ""] of named) {
    if (files.get(file)?.includes(title) !== true) problems.push(`${at + 1}: "${title}" is not in ${file}`)
  }
}
for (const problem of problems) console.error(`docs/failures.md:${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1
