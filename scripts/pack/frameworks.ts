// The programs of docs/frameworks.md: each serves many requests at once with one token, also after that was revoked, and
// ends at SIGTERM.
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { freePort } from "../../test/freePort.js"
import { type FarSide, INVOICES } from "../far-side.js"
import { blocks, pages, root } from "../readme.js"
import { live } from "./lives.js"
import { local } from "./programs.js"

export const checkFrameworks = async (installed: string, farSide: FarSide): Promise<void> => {
  const folder = join(dirname(installed), "frameworks")
  mkdirSync(folder)
  cpSync(join(installed, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  const theirs = join(root, "consumers", "node_modules")
  for (const name of ["express", "fastify", "hono", "@hono/node-server"]) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true })
    symlinkSync(join(theirs, name), join(folder, "node_modules", name))
  }
  const page = pages([]).find(({ path }) => path === "docs/frameworks.md")
  const code = page === undefined ? [] : blocks(page, "js")
  const [tokens = ""] = code
  writeFileSync(join(folder, "tokens.js"), local(tokens, farSide))
  const programs = code.filter((block) => block.includes('from "./tokens.js"'))
  if (programs.length < 3) throw new Error("docs/frameworks.md has lost its programs")
  for (const [index, program] of programs.entries()) {
    const port = await freePort()
    const file = `program-${index}.js`
    writeFileSync(join(folder, file), local(program, farSide).replace("3000", String(port)))
    const before = farSide.posts()
    const process_ = await live(folder, process.execPath, [file], port, { ...process.env, BILLING_SECRET: "hush" })
    const answers = [...(await process_.ask(50))]
    farSide.revoke()
    answers.push(...(await process_.ask(50)))
    const { status, output } = await process_.end()
    const [posts, wrong] = [farSide.posts() - before, answers.filter((answer) => answer !== INVOICES)]
    const name = /from "((?!\.)[^"]+)"/.exec(program)?.[1]
    if (posts !== 2 || wrong.length > 0 || status !== 0) {
      throw new Error(`${name}: ${posts} logins, ${wrong.length} wrong answers, ended with ${status}\n${output}`)
    }
    console.log(`docs/frameworks.md, ${name}: 100 calls, ${posts} logins, ended at SIGTERM`)
  }
}
