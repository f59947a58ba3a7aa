// The Next.js program of docs/frameworks.md: in development, where its modules are loaded again while it serves, one
// client is made; and as built, it is closed at SIGTERM.
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { freePort } from "../../test/freePort.js"
import { type FarSide, INVOICES } from "../far-side.js"
import { blocks, pages, root } from "../readme.js"
import { type Living, live } from "./lives.js"
import { local } from "./programs.js"
import { consumer, end, printed } from "./run.js"

export const checkNext = async (installed: string, farSide: FarSide): Promise<void> => {
  // Beside the packages of Next, since it follows no link out of the folder that it serves.
  const folder = join(root, "consumers", "next")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  try {
    cpSync(join(installed, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true })
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
    const page = pages([]).find(({ path }) => path === "docs/frameworks.md")
    for (const block of page === undefined ? [] : blocks(page, "js")) {
      const [, path] = /^\/\/ (\S+\.js)\n/.exec(block) ?? []
      if (path === undefined) continue
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), local(block, farSide))
    }
    const env = { ...process.env, BILLING_SECRET: "hush", NEXT_TELEMETRY_DISABLED: "1", NEXT_MANUAL_SIG_HANDLE: "true" }
    const next = async (command: string) => {
      const port = await freePort()
      return live(folder, consumer("next"), [command, "--port", String(port)], port, env)
    }

    const development = await next("dev")
    await answers("next dev", development, farSide, async () => {
      for (const path of ["tokens.js", join("app", "invoices", "route.js")]) {
        appendFileSync(join(folder, path), `console.log("loaded again: ${path}")\n`)
        while (!development.printed().includes(`loaded again: ${path}`)) await development.ask(1)
      }
    })
    await development.end()

    printed(await end(folder, consumer("next"), ["build"], env), "next build", folder)
    const built = await next("start")
    await answers("next start", built, farSide, async () => undefined)
    const { output, status } = await built.end()
    if (status !== 0) throw new Error(`next start ended with ${status} at SIGTERM\n${output}`)
    console.log("docs/frameworks.md, Next.js: 100 calls, 2 logins in development and built, ended at SIGTERM")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const answers = async (name: string, served: Living, farSide: FarSide, between: () => Promise<void>): Promise<void> => {
  const before = farSide.posts()
  const all = [...(await served.ask(50))]
  await between()
  farSide.revoke()
  all.push(...(await served.ask(50)))
  const [posts, wrong] = [farSide.posts() - before, all.filter((answer) => answer !== INVOICES)]
  if (posts !== 2 || wrong.length > 0) throw new Error(`${name}: ${posts} logins, wrong: ${wrong}\n${served.printed()}`)
}
