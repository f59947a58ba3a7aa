// Tests of the service's process against an installed package: npm run test:installed, or some: -- Process Sockets
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bin, run, runIn } from "./pack/run.js"
import { root } from "./readme.js"

const temporary = mkdtempSync(join(tmpdir(), "evertoken-installed-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

const packages = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .filter((folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).private !== true)
for (const folder of packages) rmSync(join(folder, "dist"), { recursive: true, force: true })
await run(root, "npm", "run", "build")
const tarballs: Array<string> = []
for (const folder of packages) {
  const out = await run(folder, "npm", "pack", "--json", "--pack-destination", temporary)
  tarballs.push(...JSON.parse(out).map(({ filename }: { readonly filename: string }) => join(temporary, filename)))
}

const folder = join(temporary, "service")
mkdirSync(folder)
await runIn(folder, "npm", ["install", ...tarballs])
const built = join("node_modules", "better-sqlite3", "build")
cpSync(join(root, built), join(folder, built), { recursive: true })
const main = join(folder, "node_modules/@evertoken/server/dist/main.js")
console.log(`Installed ${tarballs.length} packages; the process is that of @evertoken/server`)

const names = process.argv.slice(2)
const files = names.length === 0 ? ["packages/server/test"] : names.map((name) => `packages/server/test/${name}.live`)
const env = { ...process.env, EVERTOKEN_TEST_BIN: main }
const child = spawn(bin("vitest"), ["run", "--project", "live", ...files], { cwd: root, stdio: "inherit", env })
const [code] = await once(child, "exit")
process.exitCode = code ?? 1
