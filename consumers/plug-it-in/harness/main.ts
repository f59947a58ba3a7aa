// Runs the programs, all or those named: npm run plug, npm run plug -- openai pg
import "./far.js"
import { readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { inspect } from "node:util"
import type { Plug } from "./plug.js"

// Not before the far side is there: the client reads its address.
const { live } = await import("./plug.js")

const folder = join(import.meta.dirname, "../programs")
const all = readdirSync(folder)
  .filter((file) => file.endsWith(".ts") && !["tokens.ts", "provider.ts"].includes(file))
  .map((file) => file.slice(0, -".ts".length))
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !all.includes(name))
if (unknown !== undefined) {
  console.error(`There is no program ${unknown}. There are: ${all.join(", ")}`)
  process.exit(2)
}

/** Libraries with a native part, which `npm ci --ignore-scripts` does not bring. */
const natives: Readonly<Record<string, string>> = { confluent: "@confluentinc/kafka-javascript" }
const require = createRequire(join(folder, "package.json"))
const withoutNative = (name: string): string | undefined => {
  const library = natives[name]
  if (library === undefined) return undefined
  try {
    require(library)
    return undefined
  } catch {
    return `the native part of ${library} is not on this machine`
  }
}

const counts = { passed: 0, failed: 0, skipped: 0 }
for (const name of asked.length === 0 ? all : asked) {
  const start = performance.now()
  const took = () => `${Math.round(performance.now() - start)} ms`
  try {
    const file = join(folder, `${name}.ts`)
    const load = async (): Promise<{ readonly default: Plug }> => import(file)
    const missing = withoutNative(name) ?? (await live((await load()).default))
    if (missing === undefined) {
      counts.passed++
      console.log(
        `✓ ${name}, ${took()}: ${(await load()).default.refusal === "repaired" ? "a refused call succeeds" : "the call after a refused one succeeds"}`
      )
    } else {
      counts.skipped++
      console.log(`- ${name}: not run, ${missing}`)
    }
  } catch (error) {
    counts.failed++
    console.log(`✗ ${name}, ${took()}\n${inspect(error)}`)
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0)
