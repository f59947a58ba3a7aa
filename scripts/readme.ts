// What the README files and docs tell people to type: install lines and programs, as they are written.
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

export const root = resolve(import.meta.dirname, "..")

export interface Page {
  /** Its path from the root. */
  readonly path: string
  readonly text: string
}

const page = (path: string): Page => ({ path, text: readFileSync(join(root, path), "utf8") })

/** The README, those of the packages named, and the docs. */
export const pages = (packages: ReadonlyArray<string>): ReadonlyArray<Page> => [
  page("README.md"),
  page("CONTRIBUTING.md"),
  ...packages.map((name) => page(`packages/${name}/README.md`)),
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => page(`docs/${name}`))
]

/** The code of a page in `language`, block by block, its indentation in a list taken away. */
export const blocks = ({ text }: Page, language: string): ReadonlyArray<string> =>
  [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^\\1\`\`\`$`, "gm"))].map(
    ([, indent = "", code = ""]) => code.replaceAll(new RegExp(`^${indent}`, "gm"), "")
  )

/** Each line of a page that installs packages, also in the middle of a text. */
export const installs = ({ text }: Page): ReadonlyArray<string> => [
  ...new Set([...text.matchAll(/npm install (?:-D )?@[^\n`#]*/g)].map(([line]) => line.trim()))
]

/** The packages that an install line names. */
export const named = (line: string): ReadonlyArray<string> =>
  line.split(/\s+/).filter((word) => /^@|^[a-z]+@/.test(word))
