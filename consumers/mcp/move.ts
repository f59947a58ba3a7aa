// A script that keeps its login in a JSON file, before and after it is moved: a person logs in once to each, and never again.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"
import { Authority } from "@evertoken/authority"
import { Effect, Exit, Scope } from "effect"
import { startServer } from "./server.js"

const scope = Effect.runSync(Scope.make())
const authority = await Effect.runPromise(Scope.extend(Authority.make({ lifetime: "1 hour" }), scope))
const server = await startServer(authority.issuer, authority.introspectionEndpoint)
// Beside the SDK, so that the scripts find it.
const folder = mkdtempSync(join(import.meta.dirname, "node_modules", "move-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
cpSync(join(import.meta.dirname, "move"), folder, { recursive: true })
const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href

/** Runs a script in the folder; a person logs in where it asks. Gives what it printed. */
const run = async (script: string): Promise<ReadonlyArray<string>> => {
  const env = {
    ...process.env,
    MCP_URL: server.url,
    EVERTOKEN_KEYS: `2026-11=${Buffer.alloc(32, 7).toString("base64url")}`
  }
  const args = ["--conditions=@evertoken/source", "--import", loader, script]
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] })
  const lines: Array<string> = []
  createInterface(child.stdout).on("line", async (line) => {
    lines.push(line)
    const page = /^Log in at (.+)$/.exec(line)?.[1]
    if (page !== undefined) await fetch(await Effect.runPromise(authority.login(page)))
  })
  const code = await new Promise((resolve) => child.once("close", resolve))
  assert.equal(code, 0, `${script} ended with ${code}`)
  return lines
}

const logins = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Log in at")).length
for (const script of ["before.mjs", "after.mjs"]) {
  const first = await run(script)
  const second = await run(script)
  for (const lines of [first, second]) assert.match(lines.join("\n"), /hello/)
  assert.deepEqual([logins(first), logins(second)], [1, 0], script)
}
const lines = (script: string) => readFileSync(join(folder, script), "utf8").split("\n")
const [before, after] = [lines("before.mjs"), lines("after.mjs")]
assert.equal(after.filter((line) => !before.includes(line)).length, 5)
assert.ok(existsSync(join(folder, "logins.db")))
assert.doesNotMatch(readFileSync(join(folder, "logins.db"), "latin1"), /code_challenge|"verifier"/)
console.log("a script with a JSON file was moved by five changed lines")
server.close()
await Effect.runPromise(Scope.close(scope, Exit.void))
