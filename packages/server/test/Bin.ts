import { spawn } from "node:child_process"
import { once } from "node:events"
import { rename } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { build } from "esbuild"

/** The bin in one file, so that it starts as fast as a built one; nothing needs a build before. */
export const bundle = Effect.promise(() => {
  bundled ??= make()
  return bundled
})

let bundled: Promise<string> | undefined

const make = async () => {
  const folder = new URL("../../../node_modules/.cache/evertoken/", import.meta.url)
  const [outfile, made] = ["server.mjs", `server.${process.pid}.mjs`].map((name) =>
    fileURLToPath(new URL(name, folder))
  )
  if (outfile === undefined || made === undefined) throw new Error("there is no place for it")
  await build({
    ...{ entryPoints: [fileURLToPath(new URL("../src/main.ts", import.meta.url))], outfile: made },
    ...{ bundle: true, platform: "node", format: "esm", conditions: ["@evertoken/source"], logLevel: "error" },
    external: ["better-sqlite3", "mysql2", "pg"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' }
  })
  // At once, since another test may be starting it.
  await rename(made, outfile)
  return outfile
}

/** A process of the bin. */
export interface Bin {
  /** Waits until it has said so; fails where it ends before. */
  readonly says: (what: RegExp) => Effect.Effect<void>
  readonly pid: number
  readonly isAlive: () => boolean
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void>
  /** How it ended, and all that it said. */
  readonly ended: Effect.Effect<{ readonly code: number | null; readonly out: string; readonly err: string }>
}

/** Runs the bin with nothing but this environment, at most for as long as the scope lives. */
export const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, cwd?: string) =>
  Effect.gen(function* () {
    const main = yield* bundle
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [main, ...args], { cwd, env: { PATH: process.env.PATH, ...env }, stdio: "pipe" })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const said = { out: "", err: "" }
    child.stdout.on("data", (text: Buffer) => {
      said.out += `${text}`
    })
    child.stderr.on("data", (text: Buffer) => {
      said.err += `${text}`
    })
    const over = once(child, "close")
    const bin: Bin = {
      says: (what) =>
        Effect.promise(async () => {
          while (!what.test(said.out)) {
            await Promise.race([once(child.stdout, "data"), over])
            if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said.err}`)
          }
        }),
      pid: child.pid ?? 0,
      isAlive: () => child.exitCode === null && child.signalCode === null,
      kill: (signal) => Effect.sync(() => void child.kill(signal)),
      ended: Effect.promise(async () => {
        await over
        return { code: child.exitCode, ...said }
      })
    }
    return bin
  })
