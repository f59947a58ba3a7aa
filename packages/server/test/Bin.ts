import { spawn } from "node:child_process"
import { once } from "node:events"
import { cp, mkdir, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { build } from "esbuild"

/** The bin in few files, so that it starts as fast as a built one; nothing needs a build before. Or an installed one. */
export const bundle = Effect.promise(() => {
  bundled ??= installed === undefined || installed === "" ? make() : Promise.resolve(installed)
  return bundled
})

const installed = process.env.EVERTOKEN_TEST_BIN

let bundled: Promise<string> | undefined

const make = async () => {
  const [package_, source, folder] = [
    "../package.json",
    "../src/main.ts",
    "../../../node_modules/.cache/evertoken/bin/"
  ].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  if (package_ === undefined || source === undefined || folder === undefined)
    throw new Error("there is no place for it")
  const { outputFiles } = await build({
    ...{ entryPoints: [source], outdir: folder, outExtension: { ".js": ".mjs" }, splitting: true, write: false },
    ...{ bundle: true, platform: "node", format: "esm", conditions: ["@evertoken/source"], logLevel: "error" },
    external: ["better-sqlite3", "mysql2", "pg"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' }
  })
  const main = join(folder, "main.mjs")
  await mkdir(folder, { recursive: true })
  await cp(package_, join(dirname(folder), "package.json"))
  // Each at once, and the entry last, since another test may be starting it. The others are named by what is in them.
  for (const { contents, path } of outputFiles.sort((a, b) => Number(a.path === main) - Number(b.path === main))) {
    await writeFile(`${path}.${process.pid}`, contents)
    await rename(`${path}.${process.pid}`, path)
  }
  return main
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
            const end = child.exitCode ?? child.signalCode
            if (end !== null) throw new Error(`it ended with ${end}: ${said.err}`)
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

/** Runs the bin to its end. */
export const ran = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, cwd?: string) =>
  Effect.scoped(Effect.flatMap(run(args, env, cwd), ({ ended }) => ended))
