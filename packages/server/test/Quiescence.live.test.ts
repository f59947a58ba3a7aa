import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { inject } from "vitest"

// What is left of operations that are over: nothing, however many there were. A process of its own for each part, so that
// nothing else of this run is counted.

const OPERATIONS = 5_000
/** By how many a count may differ between two rests, which V8 and Node keep for themselves. */
const SLACK = 200

const program = fileURLToPath(new URL("../../../node_modules/.cache/evertoken/quiescence.cjs", import.meta.url))
const modules = dirname(dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json")))

describe("P14: after a rest there is as much of everything after 20,000 operations as after 5,000", () => {
  beforeAll(async () => {
    await build({
      entryPoints: [fileURLToPath(new URL("./quiescence.ts", import.meta.url))],
      outfile: program,
      bundle: true,
      platform: "node",
      format: "cjs",
      conditions: ["@evertoken/source"],
      external: ["better-sqlite3", "pg-native"],
      logLevel: "error"
    })
  })

  for (const part of [
    "a provider that refreshes",
    "a provider that logs in and out, and whose tokens are refused",
    "subscribers that come and go",
    "a pool that lets go of idle keys",
    "a worker beside a pool",
    "limits that some wait for in vain",
    "device polling that is given up",
    "TokenHttpClient",
    "the fetch of a TokenClient",
    "clients made and disposed",
    "a remote provider",
    "a store on PostgreSQL with its feed"
  ]) {
    it(part, async () => {
      const { after, before } = await counted(part)
      for (const kind of ["fibers", "spans", "token sets", "timers", "listeners"]) {
        assert.strictEqual(after[kind], before[kind], kind)
      }
      for (const kind of ["promises", "functions", "objects"]) {
        assert.isAtMost(after[kind] ?? 0, (before[kind] ?? 0) + SLACK, kind)
      }
    })
  }
})

type Counts = Readonly<Record<string, number>>

const counted = async (part: string): Promise<{ readonly before: Counts; readonly after: Counts }> => {
  const url = part.includes("PostgreSQL") ? await (await fetch(inject("postgres"))).text() : ""
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ["--expose-gc", program, part, url, String(OPERATIONS)], {
    env: { ...process.env, NODE_PATH: modules }
  })
  return JSON.parse(stdout)
}
