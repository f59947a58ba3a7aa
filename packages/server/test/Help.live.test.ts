import { statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bundle, ran } from "./Bin.js"

describe("evertoken --help", () => {
  it.live("loads the few kilobytes that it takes to print and no package, and so does what else only prints", () =>
    Effect.gen(function* () {
      const main = yield* bundle
      for (const args of [
        ["--help"],
        ["--version"],
        ["rotate", "--help"],
        ["restored", "-h"],
        ["dance"],
        ["check", "--x"]
      ]) {
        const { files, took } = yield* loading(args)
        assert.include(files, `file://${main}`)
        assert.isBelow(sizeOf(files), 64 * 1_024, files.join("\n"))
        console.log(`evertoken ${args.join(" ")}: ${took} ms, ${sizeOf(files)} bytes`)
      }
      // It does see what is loaded.
      assert.isAbove(sizeOf((yield* loading(["encryption-key"])).files), 1_024 * 1_024)
    })
  )

  it.live("tells the version of the package", () =>
    Effect.gen(function* () {
      const { code, out } = yield* ran(["--version"], {})
      assert.deepStrictEqual([code, /^\d+\.\d+\.\d+\S*\n$/.test(out)], [0, true])
    })
  )
})

/** The files that Node loads for such a command. */
const loading = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const began = performance.now()
    const { err } = yield* ran(args, { NODE_OPTIONS: `--no-warnings --import=${js(`${REGISTER}`)}` })
    const took = Math.round(performance.now() - began)
    return { files: [...err.matchAll(/^loads (file:\S+)$/gm)].map(([, file = ""]) => file), took }
  })

const sizeOf = (files: ReadonlyArray<string>) =>
  files.reduce((sum, file) => sum + statSync(fileURLToPath(file)).size, 0)

const js = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`
const HOOKS = `import { writeSync } from "node:fs"
export const load = (url, context, next) => {
  writeSync(2, "loads " + url + "\\n")
  return next(url, context)
}`
const REGISTER = `import { register } from "node:module"
register(${JSON.stringify(js(HOOKS))})`
