import { spawn } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Mutation, mutations } from "./mutations.js"

// Breaks a copy of the refresh protocol in one place at a time and looks whether the simulator or a test sees it:
// `--only WORDS` those whose name has them, `--skip N` without the first ones, `--seeds N` how many histories the simulator
// gets; the one that saw a mutation last is played first. Fails if one survives, or if a run that a mutation does not say
// to hang does not end: that may be a slow machine as well as a mutation.

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

/** What saw a mutation, or that nothing did; without an answer where the run did not end. */
type Verdict = string | undefined | typeof NO_END

const NO_END = Symbol("it does not end")

/** Longer than all histories take on a busy machine. */
const LIMIT = 900_000
/** For a mutation whose run hangs: longer than its test takes. */
const HANG = 120_000

const run = (cwd: string, command: string, args: ReadonlyArray<string>, limit = LIMIT) =>
  new Promise<{ readonly ok: boolean; readonly ended: boolean; readonly output: string }>((resolve) => {
    const child = spawn(command, args, { cwd, detached: true })
    // With all that it started: a test that spins does not end by itself.
    const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"), limit)
    let output = ""
    child.stdout.on("data", (data) => {
      output += data
    })
    child.stderr.on("data", (data) => {
      output += data
    })
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ ok: code === 0, ended: code !== null, output })
    })
  })

const simulator = async (work: string, { hangs, seed }: Mutation): Promise<Verdict> => {
  const limit = hangs === undefined ? LIMIT : HANG
  const before = seed === undefined ? undefined : await histories(work, seed, "1", limit)
  return before ?? histories(work, 1, values.seeds, limit)
}

const histories = async (work: string, from: number, seeds: string, limit = LIMIT): Promise<Verdict> => {
  const sim = ["scripts/sim.ts", "--quick", "--from", String(from), "--seeds", seeds]
  const { ended, ok, output } = await run(
    work,
    "node",
    ["--conditions=@evertoken/source", "--import", "tsx", ...sim],
    limit
  )
  if (ok) return undefined
  if (!ended) return NO_END
  const seed = output.match(/^seed (\d+)/m)?.[1]
  if (seed === undefined) throw new Error(`the simulator did not run: ${output.slice(-2_000)}`)
  const promise = output
    .trimEnd()
    .split("\n")
    .at(-1)
    ?.replace(/:? p\d.*/, "")
  return `simulator, seed ${seed}: ${promise}`
}

const unit = async (work: string, [file, title]: readonly [string, string], hangs: boolean): Promise<Verdict> => {
  const project = file.match(/\.(live|long)\./)?.[1] ?? "unit"
  const args = ["vitest", "run", "--project", project, file, "-t", title, "--bail", "1"]
  const { ended, ok, output } = await run(work, "npx", args, hangs ? HANG : LIMIT)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: vitest colours its output
  const plain = output.replace(/\u001b\[\d+m/g, "")
  if (ok) {
    if (!/Tests {2}.*passed/.test(plain)) throw new Error(`no test of ${file} is called ${title}`)
    return undefined
  }
  // Vitest ends by itself a test that waits, but not one that spins.
  if (!ended || plain.includes("Test timed out")) return NO_END
  const name = plain.match(/FAIL {2}.*> (.*)/)?.[1] ?? plain.match(/FAIL {2}\|\w+\| \S+ (.*)/)?.[1]
  if (name === undefined) throw new Error(`the tests did not run: ${output.slice(-2_000)}`)
  return `test: ${name}`
}

const judge = async (work: string, mutation: Mutation): Promise<Verdict> => {
  const path = join(work, mutation.file)
  const source = await readFile(path, "utf8")
  await writeFile(
    path,
    source.replace(mutation.find, () => mutation.replace)
  )
  try {
    return mutation.test === undefined
      ? await simulator(work, mutation)
      : await unit(work, mutation.test, mutation.hangs !== undefined)
  } finally {
    await writeFile(path, source)
  }
}

/** Those that cannot be made any more, since the source has changed. */
const stale = async (work: string): Promise<ReadonlyArray<string>> => {
  const wrong: Array<string> = []
  for (const { file, find, name } of mutations) {
    const found = (await readFile(join(work, file), "utf8")).split(find).length - 1
    if (found !== 1) wrong.push(`"${name}": found ${found} times in ${file}`)
  }
  return wrong
}

const work = await copy()
const count = { survives: 0, "does not end": 0 }
try {
  const wrong = await stale(work)
  if (wrong.length > 0) throw new Error(wrong.join("\n"))
  const whole = await histories(work, 1, "200")
  if (whole !== undefined) throw new Error(`the protocol fails unbroken: ${String(whole)}`)
  console.log("| mutation | caught by | seconds |\n|---|---|---|")
  for (const mutation of mutations.slice(Number(values.skip)).filter(({ name }) => name.includes(values.only))) {
    const from = Date.now()
    const verdict = await judge(work, mutation)
    const expected = mutation.hangs !== undefined
    if (verdict === undefined) count.survives++
    else if (verdict === NO_END && !expected) count["does not end"]++
    const caught =
      verdict === NO_END
        ? expected
          ? `no end: ${mutation.hangs}`
          : "NO END, which is no answer"
        : (verdict ?? "NOTHING")
    console.log(`| ${mutation.name} | ${caught} | ${Math.round((Date.now() - from) / 1000)} |`)
  }
} finally {
  await rm(work, { recursive: true })
}
const failed = Object.entries(count).filter(([, times]) => times > 0)
console.log(
  failed.length === 0 ? "\nall are caught" : `\n${failed.map((entry) => entry.reverse().join(" ")).join(", ")}`
)
process.exitCode = failed.length === 0 ? 0 : 1
