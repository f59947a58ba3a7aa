import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { inject } from "vitest"
import { KINDS } from "./objects.js"

// What is left of operations that are over: nothing, however many there were. A process of its own for each part, so that
// nothing else of this run is counted.

/** `npm run quiescence` works through twenty times as many. */
const OPERATIONS = Number(process.env.EVERTOKEN_QUIESCENCE ?? 250)
/** By how many a count may differ between two rests, for what V8 and Node keep for themselves. */
const SLACK = 200

const program = fileURLToPath(new URL("../../../node_modules/.cache/evertoken/quiescence.cjs", import.meta.url))
const modules = dirname(dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json")))

describe("P14: after a rest there is as much of everything after four times as many operations", () => {
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
    it.concurrent(part, { timeout: 3_600_000 }, async () => {
      const { after, before } = await inTurn(() => counted(part))
      for (const kind of KINDS) assert.isAtMost(after[kind] ?? 0, before[kind] ?? 0, kind)
      for (const kind of ["promises", "functions", "objects"]) {
        assert.isAtMost(after[kind] ?? 0, (before[kind] ?? 0) + SLACK, kind)
      }
    })
  }
})

type Counts = Readonly<Record<string, number>>

const counted = async (part: string): Promise<{ readonly before: Counts; readonly after: Counts }> => {
  await bundled()
  const url = part.includes("PostgreSQL") ? await (await fetch(inject("postgres"))).text() : ""
  const args = ["--expose-gc", program, part, url, String(OPERATIONS)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_PATH: modules } })
  return JSON.parse(stdout)
}

/** The program in one file, which starts much sooner than its many sources. */
const bundled = () => {
  bundling ??= build({
    ...{ entryPoints: [fileURLToPath(new URL("./quiescence.ts", import.meta.url))], outfile: program, bundle: true },
    ...{ platform: "node", format: "cjs", conditions: ["@evertoken/source"], logLevel: "error" },
    external: ["better-sqlite3", "pg-native"]
  })
  return bundling
}
let bundling: Promise<unknown> | undefined

/** Two at a time. */
const inTurn = <A>(run: () => Promise<A>): Promise<A> => {
  const at = lanes.indexOf(lanes.reduce((a, b) => (a.length <= b.length ? a : b)))
  const lane = lanes[at] ?? []
  const result = Promise.allSettled(lane.slice(-1)).then(run)
  lane.push(result)
  return result
}
const lanes: ReadonlyArray<Array<Promise<unknown>>> = [[], []]
