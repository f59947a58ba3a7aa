// The code of docs/plug-it-in.md is that of the programs in consumers/plug-it-in: fails where they differ, or, with --write,
// writes it there. A block stands behind a line such as <!-- programs/openai.ts -->.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const folder = join(root, "consumers/plug-it-in/programs")
const path = join(root, "docs/plug-it-in.md")
const problems: Array<string> = []

/** What a reader needs of a program: all but what is there to run it. */
const code = (program: string): string =>
  program
    .replaceAll(/^import [^"]*from "\.\.\/harness\/[^"]*"\n/gm, "")
    .replace(/\nexport default plug\([\s\S]*$/, "")
    .replace(/\nconst runtime = .*\n$/, "")
    .trim()

const programs = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]))
const shown = new Set<string>()
const before = readFileSync(path, "utf8")
const after = before.replaceAll(/<!-- programs\/(\S+) -->\n```ts\n[\s\S]*?\n```\n/g, (block, name: string) => {
  const program = programs.get(name)
  shown.add(name)
  if (program !== undefined) return `<!-- programs/${name} -->\n\`\`\`ts\n${code(program)}\n\`\`\`\n`
  problems.push(`shows ${name}, which is no program`)
  return block
})
if (process.argv.includes("--write")) writeFileSync(path, after)
else if (after !== before) problems.push("shows other code than the programs have: npm run format")

for (const [name, program] of programs) {
  if (!shown.has(name)) problems.push(`does not show ${name}`)
  const [, refusal] = /refusal: "(\w+)"/.exec(program) ?? []
  const told = refusal === "repaired" ? "the call succeeds" : "the next call succeeds"
  const row = before.split("\n").find((line) => line.includes(`](#${name.replace(/\.ts$/, "")})`))
  if (refusal !== undefined && row?.endsWith(`| ${told} |`) !== true)
    problems.push(`has no row that says of ${name}: ${told}`)
}
for (const problem of problems) console.error(`docs/plug-it-in.md ${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1
