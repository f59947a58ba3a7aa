// Puts the documentation, and the examples that it links to, into the package that everybody has, before it is packed.
import { cpSync, readdirSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const core = join(root, "packages", "core")
for (const folder of ["docs", "examples"]) rmSync(join(core, folder), { recursive: true, force: true })
cpSync(join(root, "docs"), join(core, "docs"), { recursive: true })
for (const name of readdirSync(join(root, "examples")).filter((file) => /\.m?[jt]s$/.test(file))) {
  cpSync(join(root, "examples", name), join(core, "examples", name))
}
for (const folder of ["stories", "far-sides"]) {
  cpSync(join(root, "examples", folder), join(core, "examples", folder), { recursive: true })
}
