// The service, as its README tells people to start it: from the tarballs, in an empty folder.
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort } from "../../test/freePort.js"
import type { FarSide } from "../far-side.js"
import { blocks, pages, root } from "../readme.js"
import { live } from "./lives.js"
import { local } from "./programs.js"
import { end, printed, run, runIn } from "./run.js"

/** Starts it, asks it for a token by the program of its README, and ends it as an operator does. */
export const checkService = async (
  temporary: string,
  tarballs: ReadonlyArray<string>,
  farSide: FarSide
): Promise<void> => {
  const folder = join(temporary, "service")
  mkdirSync(folder)
  await runIn(folder, "npm", ["install", ...tarballs])
  const built = join("node_modules", "better-sqlite3", "build")
  cpSync(join(root, built), join(folder, built), { recursive: true })

  const page = pages(["server"]).find(({ path }) => path === "packages/server/README.md")
  const [settings, program, expected] = ["json", "js", "text"].map((language) => page && blocks(page, language)[0])
  if (settings === undefined || program === undefined || expected === undefined) {
    throw new Error("packages/server/README.md has lost its settings, its program, or what that prints")
  }
  const evertoken = (...args: ReadonlyArray<string>) => run(folder, "npx", "@evertoken/server", ...args)
  await evertoken("--help")
  const [, key = "", hash = ""] = /shown only now: (\S+)\s.*configure: +(\S+)/s.exec(await evertoken("api-key")) ?? []
  const [, keys = ""] = /EVERTOKEN_KEYS=(\S+)/.exec(await evertoken("encryption-key")) ?? []
  const port = await freePort()
  const given = { listen: { port }, ...JSON.parse(local(settings, farSide).replace("…", hash)) }
  writeFileSync(join(folder, "evertoken.json"), JSON.stringify(given))
  writeFileSync(join(folder, "ask.mjs"), program.replace("8787", String(port)))
  const env = { ...process.env, EVERTOKEN_KEYS: keys, BILLING_SECRET: "hush", EVERTOKEN_API_KEY: key }
  printed(await end(folder, "npx", ["@evertoken/server", "check"], env), "npx @evertoken/server check", folder)

  // Not by npx, which does not pass SIGTERM on.
  const service = await live(folder, join(folder, "node_modules", ".bin", "evertoken"), [], port, env)
  const out = printed(await end(folder, process.execPath, ["ask.mjs"], env), "node ask.mjs", folder)
  const { output, status } = await service.end()
  if (status !== 0) throw new Error(`The service ended with ${status} at SIGTERM\n${output}`)
  if (out.trim() !== expected.trim()) {
    throw new Error(`The program of packages/server/README.md printed ${JSON.stringify(out)}`)
  }
  console.log("packages/server/README.md: started, asked, ended at SIGTERM")
}
