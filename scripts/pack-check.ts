// Packs every publishable package as npm would, and tries the tarballs as a stranger does: publint, attw, then what the
// README files tell people to type, word for word, with npm and with pnpm, in empty folders; only our own packages come
// from the tarballs. What they install is type-checked with two releases of TypeScript, and the programs are run.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startFarSide } from "./far-side.js"
import { checkFrameworks } from "./pack/frameworks.js"
import { runPrograms } from "./pack/programs.js"
import { bin, run, runIn } from "./pack/run.js"
import { checkRuntimes } from "./pack/runtimes.js"
import { checkService } from "./pack/service.js"
import { checkTypes } from "./pack/types.js"
import { blocks, installs, named, type Page, pages, root } from "./readme.js"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
}

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

const packages = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map((folder) => ({ folder, ...manifest(folder) }))
  .filter((one) => one.private !== true)

const temporary = mkdtempSync(join(tmpdir(), "evertoken-pack-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

for (const { folder } of packages) rmSync(join(folder, "dist"), { recursive: true, force: true })
await run(root, "npm", "run", "build")
await run(root, "npm", "ci", "--silent", "--prefix", "consumers")

const tarballs = new Map<string, string>()
for (const { folder, name, version } of packages) {
  const out = await run(folder, "npm", "pack", "--json", "--pack-destination", temporary)
  const [{ filename, files, size }] = JSON.parse(out)
  const tarball = join(temporary, filename)
  await run(root, bin("publint"), "run", tarball, "--strict")
  await run(root, bin("attw"), tarball, "--profile", "esm-only")
  checkLinks(folder, new Set(files.map(({ path }: { readonly path: string }) => path)))
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
    await runIn(folder, manager, words.slice(1))
  }
  return folder
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
    if (manager === "npm") await checkRuntimes(page, folder, farSide)
    if (manager === "npm") await checkFrameworks(folder, farSide)
  }
}
await checkService(temporary, [...tarballs.values()], farSide)
farSide.close()
