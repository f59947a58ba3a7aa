import { spawn } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Mutation, mutations } from "./mutations.js"

// Breaks a copy of the refresh protocol in one place at a time and looks whether the simulator or a test sees it:
// `--only WORDS` those whose name has them, `--skip N` without the first ones, `--seeds N` how many histories the simulator
// gets; the one that saw a mutation last is played first. Fails if one survives.

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    seeds: { type: "string", default: "1500" },
    skip: { type: "string", default: "0" }
  }
})
const root = join(import.meta.dirname, "..")

/** The tree as it is, with packages of its own, so that a mutation reaches nothing else. */
const copy = async (): Promise<string> => {
  const work = await mkdtemp(join(tmpdir(), "evertoken-mutate-"))
  for (const part of ["packages", "scripts", "test"]) {
    await cp(join(root, part), join(work, part), {
      recursive: true,
      filter: (path) => !/node_modules|dist$/.test(path)
    })
  }
  for (const part of ["package.json", "tsconfig.json", "tsconfig.base.json", "vitest.config.ts"]) {
    await cp(join(root, part), join(work, part))
  }
  const modules = join(work, "node_modules")
  await mkdir(join(modules, "@evertoken"), { recursive: true })
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name !== "@evertoken") await symlink(join(root, "node_modules", name), join(modules, name))
  }
  for (const name of await readdir(join(work, "packages"))) {
    await symlink(join(work, "packages", name), join(modules, "@evertoken", name))
  }
  return work
}

/** Longer than all histories take on a busy machine: what is only slow is not caught. */
const LIMIT = 900_000

const run = (cwd: string, command: string, args: ReadonlyArray<string>) =>
  new Promise<{ readonly ok: boolean; readonly ended: boolean; readonly output: string }>((resolve) => {
    const child = spawn(command, args, { cwd, detached: true })
    // With all that it started: a test that spins does not end by itself.
    const limit = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"), LIMIT)
    let output = ""
    child.stdout.on("data", (data) => {
      output += data
    })
    child.stderr.on("data", (data) => {
      output += data
    })
    child.on("close", (code) => {
      clearTimeout(limit)
      resolve({ ok: code === 0, ended: code !== null, output })
    })
  })

const simulator = async (work: string, seed?: number): Promise<string | undefined> => {
  if (seed !== undefined) return (await histories(work, seed, "1")) ?? (await histories(work, 1, values.seeds))
  return histories(work, 1, values.seeds)
}

const histories = async (work: string, from: number, seeds: string): Promise<string | undefined> => {
  const { ended, ok, output } = await run(work, "node", [
    "--conditions=@evertoken/source",
    "--import",
    "tsx",
    "scripts/sim.ts",
    "--quick",
    "--from",
    String(from),
    "--seeds",
    seeds
  ])
  if (ok) return undefined
  if (!ended) return "simulator: a history that does not end (P6)"
  const seed = output.match(/^seed (\d+)/m)?.[1]
  if (seed === undefined) throw new Error(`the simulator did not run: ${output.slice(-2_000)}`)
  const promise = output
    .trimEnd()
    .split("\n")
    .at(-1)
    ?.replace(/:? p\d.*/, "")
  return `simulator, seed ${seed}: ${promise}`
}

const unit = async (work: string, [file, title]: readonly [string, string]): Promise<string | undefined> => {
  const { ended, ok, output } = await run(work, "npx", ["vitest", "run", file, "-t", title, "--bail", "1"])
  if (ok) return undefined
  if (!ended) return `test: one of ${title} does not end (P6)`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: vitest colours its output
  const name = output.replace(/\u001b\[\d+m/g, "").match(/FAIL {2}.*> (.*)/)?.[1]
  if (name === undefined) throw new Error(`the tests did not run: ${output.slice(-2_000)}`)
  return `test: ${name}`
}

const judge = async (work: string, mutation: Mutation): Promise<string | undefined> => {
  const path = join(work, mutation.file)
  const source = await readFile(path, "utf8")
  const found = source.split(mutation.find).length - 1
  if (found !== 1) throw new Error(`"${mutation.name}": found ${found} times in ${mutation.file}`)
  await writeFile(
    path,
    source.replace(mutation.find, () => mutation.replace)
  )
  try {
    return mutation.test === undefined ? await simulator(work, mutation.seed) : await unit(work, mutation.test)
  } finally {
    await writeFile(path, source)
  }
}

const work = await copy()
let survivors = 0
const whole = await simulator(work)
if (whole !== undefined) throw new Error(`the protocol fails unbroken: ${whole}`)
console.log("| mutation | caught by | seconds |\n|---|---|---|")
try {
  for (const mutation of mutations.slice(Number(values.skip)).filter(({ name }) => name.includes(values.only))) {
    const from = Date.now()
    const caught = await judge(work, mutation)
    if (caught === undefined) survivors++
    console.log(`| ${mutation.name} | ${caught ?? "NOTHING"} | ${Math.round((Date.now() - from) / 1000)} |`)
  }
} finally {
  await rm(work, { recursive: true })
}
console.log(survivors === 0 ? "\nall are caught" : `\n${survivors} survive`)
process.exitCode = survivors === 0 ? 0 : 1
