// Packs every publishable package as npm would, and tries the tarballs as a stranger does: publint, attw, then what the
// README files tell people to type, word for word, with npm and with pnpm, in empty folders; only our own packages come
// from the tarballs. What they install is type-checked with two releases of TypeScript, and the programs are run.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { startFarSide } from "./far-side.js"
import { checkCommonJs } from "./pack/commonjs.js"
import { checkFrameworks } from "./pack/frameworks.js"
import { checkNext } from "./pack/next.js"
import { runPrograms } from "./pack/programs.js"
import { bin, run, runIn } from "./pack/run.js"
import { checkRuntimes } from "./pack/runtimes.js"
import { checkService } from "./pack/service.js"
import { checkTypes } from "./pack/types.js"
import { blocks, installs, named, type Page, pages, root } from "./readme.js"

import { version } from "./version.js"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

const here = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map((folder) => ({ folder, ...manifest(folder) }))
  .filter((one) => one.private !== true)

const temporary = mkdtempSync(join(tmpdir(), "evertoken-pack-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

for (const { folder } of here) rmSync(join(folder, "dist"), { recursive: true, force: true })
await run(root, "npm", "run", "build")

// What is packed is the next release as `npm run version` makes it: its versions, its peers, its changelogs.
const release = join(temporary, "release")
for (const name of ["package.json", ".changeset", "docs", "examples", "packages", "scripts/pack-docs.mjs"]) {
  cpSync(join(root, name), join(release, name), { recursive: true, filter: (path) => !path.includes("node_modules") })
}
symlinkSync(join(root, "node_modules"), join(release, "node_modules"))
const next = version(release)
const packages = here.map(({ folder, name }) => ({ folder: join(release, relative(root, folder)), name }))

await run(root, "npm", "ci", "--silent", "--prefix", "consumers")

const tarballs = new Map<string, string>()
for (const { folder, name } of packages) {
  const out = await run(folder, "npm", "pack", "--json", "--pack-destination", temporary)
  const [{ filename, files, size }] = JSON.parse(out)
  const { peerDependencies = {}, version } = manifest(folder)
  const others = Object.entries(peerDependencies).filter(([peer]) => peer.startsWith("@evertoken/"))
  if (version !== next || others.some(([, range]) => range !== `^${next}`)) {
    throw new Error(`${name} ${version} asks for ${JSON.stringify(others)} and not for ${next}`)
  }
  if (!readFileSync(join(folder, "CHANGELOG.md"), "utf8").includes(`\n## ${next}\n`)) {
    throw new Error(`${name} has no word on ${next} in its CHANGELOG.md`)
  }
  const tarball = join(temporary, filename)
  await run(root, bin("publint"), "run", tarball, "--strict")
  await run(root, bin("attw"), tarball, "--profile", "esm-only")
  const paths = new Set<string>(files.map(({ path }: { readonly path: string }) => path))
  if (!paths.has("CHANGELOG.md")) throw new Error(`${name} is packed without its CHANGELOG.md`)
  checkLinks(folder, paths)
  tarballs.set(name, tarball)
  console.log(`${name} ${version}: ${files.length} files, ${(size / 1024).toFixed(0)} KiB packed`)
}

/** Documentation that travels in a package links to nothing that does not. */
function checkLinks(folder: string, files: ReadonlySet<string>): void {
  for (const path of [...files].filter((file) => file.endsWith(".md"))) {
    for (const [, target = ""] of readFileSync(join(folder, path), "utf8").matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      const linked = /^[a-z]+:/.test(target) ? undefined : join(path, "..", target)
      if (linked !== undefined && !files.has(linked)) throw new Error(`${path} links to ${target}, which is not packed`)
    }
  }
}

const folders = new Map<string, string>()

/** A folder that was empty, in which the install lines of a page were run, one after the other; one for pages that install the same. */
const installed = async (page: Page, manager: "npm" | "pnpm"): Promise<string> => {
  const lines = installs(page)
  const id = `${manager} ${lines.map((line) => line.split(" ").sort().join(" ")).sort()}`
  const known = folders.get(id)
  if (known !== undefined) return known
  const folder = join(temporary, `${manager}-${folders.size}`)
  mkdirSync(folder)
  folders.set(id, folder)
  for (const line of lines) {
    for (const name of named(line).filter((word) => word.startsWith("@evertoken/"))) {
      if (!tarballs.has(name)) throw new Error(`${page.path} installs ${name}, which is not published`)
    }
    const words = line.split(/\s+/).map((word) => tarballs.get(word) ?? word)
    // What the package manager finds by itself as a peer, once it is published.
    const peers = [...peersOf(named(line))].flatMap((name) => tarballs.get(name) ?? [])
    await runIn(folder, manager, [...new Set([...words.slice(1), ...peers])])
  }
  return folder
}

/** Our own packages that `names` ask for, and those that these ask for. */
function peersOf(names: ReadonlyArray<string>): ReadonlySet<string> {
  const asked = new Set<string>()
  const ask = (name: string) => {
    const folder = packages.find((one) => one.name === name)?.folder
    for (const peer of Object.keys(folder === undefined ? {} : (manifest(folder).peerDependencies ?? {}))) {
      if (!tarballs.has(peer) || asked.has(peer)) continue
      asked.add(peer)
      ask(peer)
    }
  }
  for (const name of names) ask(name)
  return asked
}

const farSide = await startFarSide()
for (const page of pages(packages.map(({ folder }) => folder.split("/").at(-1) ?? ""))) {
  if (installs(page).length === 0) continue
  for (const manager of ["npm", "pnpm"] as const) {
    const folder = await installed(page, manager)
    const printed = page.path.endsWith("README.md") ? await runPrograms(page, folder, farSide) : []
    console.log(`${page.path}, ${manager}: ${installs(page).length} install lines, ${printed.length} programs`)
    if (page.path !== "README.md") continue
    if (manager === "npm") await checkTypes(folder, [...blocks(page, "ts"), ...blocks(page, "js")])
    if (manager === "npm") await checkCommonJs(page, folder, farSide)
    if (manager === "npm") await checkRuntimes(page, folder, farSide)
    if (manager === "npm") await checkFrameworks(folder, farSide)
    if (manager === "npm") await checkNext(folder, farSide)
  }
}
await checkService(temporary, [...tarballs.values()], farSide)
farSide.close()
