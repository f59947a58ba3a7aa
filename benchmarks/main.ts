// The budgets, each as a ratio in one run: npm run bench, or npm run bench -- get for one. Exits 1 where one is missed.
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { cpus, platform, release, totalmem } from "node:os"
import { Effect, Struct } from "effect"
import { fresh, waiting } from "./get.js"
import { heap } from "./heap.js"
import { fetched, request } from "./http.js"
import type { Row } from "./measure.js"
import { handOut } from "./peers.js"
import { size } from "./size.js"
import { stores } from "./stores.js"

const one = (row: Effect.Effect<Row>) => () => Effect.runPromise(Effect.map(row, (row) => [row]))

const benchmarks: Record<string, () => Promise<ReadonlyArray<Row>>> = {
  size,
  get: one(fresh),
  waiting: one(waiting),
  peers: handOut,
  http: one(request),
  fetch: one(fetched),
  heap: one(heap),
  stores: () => Effect.runPromise(stores)
}

const name = process.argv[2]
const chosen = name === undefined ? Struct.keys(benchmarks) : [name]
const unknown = chosen.find((name) => benchmarks[name] === undefined)
if (unknown !== undefined) {
  console.error(`There is no benchmark ${unknown}. There are: ${Struct.keys(benchmarks).join(", ")}`)
  process.exit(2)
}

const rows: Array<Row> = []
for (const name of chosen) {
  for (const row of (await benchmarks[name]?.()) ?? []) {
    rows.push(row)
    const cpu = row.cpu === undefined ? "" : `, by CPU time ${row.cpu}`
    console.log(`${row.kept ? "✓" : "✗"} ${row.what}: ${row.wall}${cpu} (budget ${row.budget})`)
  }
}

const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { encoding: "utf8" }).trim()
const version = (name: string) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version
const peers = Struct.keys(JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).dependencies)
const [cpu] = cpus()

// A table is of one machine in one run: what ran alone is only printed.
if (name === undefined) {
  const table = `# Results

What \`npm run bench\` found last. A ratio is the median of pairs that ran in turn, with its quartiles behind it; where CPU
time is known, it is what is held against the budget, since other work on the machine moves the wall clock more.

| what | wall clock | CPU time | budget | kept |
|---|---|---|---|---|
${rows.map((row) => `| ${row.what} | ${row.wall} | ${row.cpu ?? ""} | ${row.budget} | ${row.kept ? "yes" : "**no**"} |`).join("\n")}

- On ${new Date().toISOString().slice(0, 10)}, at ${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with changes"}
- ${cpus().length} × ${cpu?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${release()}
- Node ${process.versions.node}, V8 ${process.versions.v8}
- ${peers.map((name) => `${name} ${version(name)}`).join(", ")}
`
  writeFileSync(new URL("RESULTS.md", import.meta.url), table)
}
const missed = rows.filter(({ kept }) => !kept)
if (missed.length > 0) console.log(`Missed: ${missed.map(({ what }) => what).join("; ")}`)
process.exit(missed.length > 0 ? 1 : 0)
