// Packs every publishable package as npm would, and checks the tarballs as a stranger gets them:
// publint, attw, then an empty folder where they are installed, type-checked and run by plain Node.
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const root = resolve(import.meta.dirname, "..")
const bin = (name: string) => join(root, "node_modules", ".bin", name)

/** What `command` prints; where it fails, its output is shown and the check ends. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) {
    console.error(`${[command, ...args].join(" ")} failed in ${cwd}\n${stdout}${stderr}${error ?? ""}`)
    process.exit(1)
  }
  return stdout
}

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

const packages = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map((folder) => ({ folder, ...manifest(folder) }))
  .filter((one) => one.private !== true)

for (const { folder } of packages) rmSync(join(folder, "dist"), { recursive: true, force: true })
run(root, "npm", "run", "build")

const temporary = mkdtempSync(join(tmpdir(), "evertoken-pack-"))
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }))

const packed = packages.map(({ folder, name, version }) => {
  const [{ filename, files, size }] = JSON.parse(run(folder, "npm", "pack", "--json", "--pack-destination", temporary))
  const tarball = join(temporary, filename)
  run(root, bin("publint"), "run", tarball, "--strict")
  run(root, bin("attw"), tarball, "--profile", "esm-only")
  return { tarball, line: `${name} ${version}: ${files.length} files, ${(size / 1024).toFixed(0)} KiB packed` }
})

// The peers a user would install, at the versions that the tests ran with.
const own = new Set(packages.map(({ name }) => name))
const peers = [...new Set(packages.flatMap((one) => Object.keys(one.peerDependencies ?? {})))]
  .filter((name) => !own.has(name))
  .map((name) => `${name}@${manifest(join(root, "node_modules", name)).version}`)

const consumer = join(temporary, "consumer")
cpSync(join(root, "scripts", "consumer.ts"), join(consumer, "consumer.ts"))
writeFileSync(join(consumer, "package.json"), JSON.stringify({ private: true, type: "module" }))
// SQLite's driver is taken as built here: compiling it again would take minutes where it cannot be downloaded.
run(
  consumer,
  "npm",
  "install",
  "--ignore-scripts",
  "--prefer-offline",
  ...packed.map(({ tarball }) => tarball),
  ...peers
)
const built = join("node_modules", "better-sqlite3", "build")
cpSync(join(root, built), join(consumer, built), { recursive: true })
const lib = "es2022,dom,dom.iterable,esnext.disposable"
run(
  consumer,
  bin("tsc"),
  "--strict",
  "--module",
  "nodenext",
  "--target",
  "es2022",
  "--lib",
  lib,
  "--types",
  "",
  "consumer.ts"
)
run(consumer, process.execPath, "consumer.js")

// The service's bin, as a stranger starts it: from the tarball, in an empty folder.
const settings = {
  connections: [
    {
      ...{ key: "billing", grant: "client_credentials", tokenEndpoint: "https://auth.example.com/token" },
      ...{ clientId: "billing", clientSecret: "env:BILLING_SECRET" }
    }
  ],
  callers: [{ name: "anybody", hash: "0".repeat(64), keys: ["*"], verbs: ["read"] }]
}
writeFileSync(join(consumer, "evertoken.json"), JSON.stringify(settings))
const evertoken = join("node_modules", ".bin", "evertoken")
run(consumer, evertoken, "--help")
const keys = run(consumer, evertoken, "encryption-key").trim().replace("EVERTOKEN_KEYS=", "")
Object.assign(process.env, { BILLING_SECRET: "hush", EVERTOKEN_KEYS: keys })
console.log(run(consumer, evertoken, "check").trim().split("\n").at(-1))

for (const { line } of packed) console.log(line)
