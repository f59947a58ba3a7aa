import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

// Writes each `@example` of the sources as a module of its own, which `tsc` then checks with all else. An example imports
// nothing: what it names of these packages is imported for it. `npm run check` ends with an error where an entry point has none.

const root = resolve(import.meta.dirname, "..")
const folder = join(root, "node_modules", ".cache", "evertoken", "examples")

const packages = [
  ...["@evertoken/core", "@evertoken/core/encryption", "@evertoken/core/profile", "@evertoken/core/testing"],
  ...[
    "@evertoken/store-memory",
    "@evertoken/store-sql",
    "@evertoken/client",
    "@evertoken/mcp",
    "@evertoken/providers",
    "effect",
    "@effect/platform"
  ],
  ...["@effect/sql-pg", "@effect/sql-sqlite-node"]
]

/** Whose users look for an example: all that makes something. */
const entryPoints = [
  ...["http/TokenHttpClient", "model/RefreshPolicy", "model/SourceLimits", "model/TokenSet", "model/TokenSource"],
  ...["oauth2/AuthorizationCode", "oauth2/DeviceAuthorization", "oauth2/Discovery", "oauth2/Expiry", "oauth2/OAuth2"],
  ...[
    "oauth2/TokenEndpoint",
    "profile/fromProfile",
    "promise/TokenClient",
    "promise/TokenClients",
    "provider/TokenProvider"
  ],
  ...["provider/TokenProviders", "store/TokenCipher", "store/TokenStore", "transport/DirectHttpClient"],
  "worker/TokenWorker"
].map((name) => `packages/core/src/${name}.ts`)
const others = [
  "client/src/RemoteTokenProvider",
  "mcp/src/BearerAuth",
  "mcp/src/McpAuth",
  "store-memory/src/MemoryTokenStore",
  "store-sql/src/SqlTokenStore"
]
const wanted = [...entryPoints, ...others.map((name) => `packages/${name}.ts`)]

const homes = new Map<string, string>()
for (const name of packages) {
  for (const value of Object.keys(await import(name))) if (!homes.has(value)) homes.set(value, name)
}
for (const value of ["assert", "it"]) homes.set(value, "@effect/vitest")

const examplesOf = (path: string): ReadonlyArray<string> =>
  [...readFileSync(join(root, path), "utf8").matchAll(/@example\n[ *]*```ts\n([\s\S]*?)\n[ *]*```\n/g)].map(
    ([, block = ""]) => block.replaceAll(/^ *\* ?/gm, "")
  )

const moduleOf = (code: string): string => {
  const words = code.replaceAll(/\/\/.*|"[^"]*"/g, "").match(/(?<![.\w])[A-Za-z]\w*/g) ?? []
  const names = new Set(words.filter((word) => homes.has(word) && !(word in globalThis)))
  const own = [...code.matchAll(/^const (?:(\w+)|\{ ([\w, ]+) \}) =/gm)].map(([, one, many]) => one ?? many)
  const imports = [...names].map((name) => `import { ${name} } from ${JSON.stringify(homes.get(name))}`)
  // A generator of its own where the example yields outside of one.
  return /^(?:const .* = |.*\()?yield\*/m.test(code)
    ? [...imports, `export function* example() {\n${code}\nreturn { ${own.join(", ")} }\n}`].join("\n")
    : [...imports, code, `export { ${own.join(", ")} }`].join("\n")
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
let count = 0
const sources = readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
for (const path of sources.filter((name) => /^[\w-]+\/src\/.*\.ts$/.test(name)).map((name) => `packages/${name}`)) {
  for (const [at, code] of examplesOf(path).entries()) {
    writeFileSync(join(folder, `${path.replaceAll(/\W/g, "-")}-${at}.ts`), moduleOf(code))
    count++
  }
}
const without = wanted.filter((path) => examplesOf(path).length === 0)
for (const path of without) console.error(`${path}: no @example`)
console.log(`${count} examples`)
process.exit(without.length === 0 ? 0 : 1)
