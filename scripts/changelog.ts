// What the changesets say, as "Unreleased" at the head of each package's CHANGELOG.md: `npm run format` writes it,
// `npm run check` fails where it is not current, and a release takes it away again, since Changesets writes it then.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { root } from "./readme.js"

const KINDS = { minor: "Minor Changes", patch: "Patch Changes" } as const

/** The CHANGELOG.md of each package that is published, by its path, as the changesets in `folder` say it. */
const changelogs = (folder: string): ReadonlyMap<string, string> => {
  const changesets = readdirSync(join(folder, ".changeset"))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => readFileSync(join(folder, ".changeset", name), "utf8"))
  return new Map(
    published(folder).map(({ name, path }) => {
      const kinds = Object.entries(KINDS).map(([kind, title]) => {
        const own = changesets.filter((text) => text.includes(`\n"${name}": ${kind}\n`))
        return own.length === 0 ? "" : `### ${title}\n\n${own.map(entry).join("\n")}\n`
      })
      const unreleased = kinds.filter((text) => text !== "").join("\n")
      const released = releases(path)
      return [
        path,
        [`# ${name}\n`, unreleased && `## Unreleased\n\n${unreleased}`, released].filter(Boolean).join("\n")
      ]
    })
  )
}

/** Takes "Unreleased" away; the title stays, below which Changesets writes a release. */
export const dropUnreleased = (folder: string): void => {
  for (const { name, path } of published(folder)) {
    writeFileSync(path, [`# ${name}\n`, releases(path)].filter(Boolean).join("\n"))
  }
}

const published = (folder: string): ReadonlyArray<{ readonly name: string; readonly path: string }> =>
  readdirSync(join(folder, "packages"))
    .map((name) => join(folder, "packages", name))
    .filter((path) => existsSync(join(path, "package.json")))
    .map((path) => ({
      ...JSON.parse(readFileSync(join(path, "package.json"), "utf8")),
      path: join(path, "CHANGELOG.md")
    }))
    .filter((manifest) => manifest.private !== true)

/** What a changelog says of versions that were released. */
const releases = (path: string): string =>
  existsSync(path) ? (/^## \d.*/ms.exec(readFileSync(path, "utf8"))?.[0] ?? "") : ""

/** A changeset as an entry of a list. */
const entry = (changeset: string): string =>
  `- ${changeset
    .replace(/^---\n.*?\n---\n/s, "")
    .trim()
    .replaceAll(/\n(?=.)/g, "\n  ")}`

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const writes = process.argv.includes("--write")
  for (const [path, text] of changelogs(root)) {
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue
    if (writes) writeFileSync(path, text)
    else console.error(`${path.slice(root.length + 1)} does not say what the changesets say: npm run format`)
    if (!writes) process.exitCode = 1
  }
}
