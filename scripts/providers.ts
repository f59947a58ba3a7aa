// The table of providers in docs/sources.md, as the profiles say it: `npm run format` writes it, `npm run check` fails where
// it is not current.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as providers from "@evertoken/providers"
import { root } from "./readme.js"

const path = join(root, "docs", "sources.md")
const [BEGIN, END] = ["<!-- providers: npm run format writes this table -->\n", "<!-- /providers -->"]

const rows = Object.values(providers)
  .toSorted((one, other) => one.name.localeCompare(other.name, "en"))
  .map(({ docs, id, name, notes = [], verified }) => {
    const links = docs.map((address, at) => `[${at + 1}](${address})`).join(" ")
    return `| ${name} | \`${id}\` | ${notes.join(". ") || "As RFC 6749 has it"} | ${links}, ${verified} |`
  })
const table = ["| provider | profile | what to know | from, and when |", "|---|---|---|---|", ...rows, ""].join("\n")

const text = readFileSync(path, "utf8")
const [before, rest = ""] = text.split(BEGIN)
const after = rest.slice(rest.indexOf(END))
const current = `${before}${BEGIN}\n${table}\n${after}`

if (process.argv.includes("--write")) writeFileSync(path, current)
else if (current !== text) {
  console.error("The table of providers in docs/sources.md is not what the profiles say: run `npm run format`")
  process.exit(1)
}
