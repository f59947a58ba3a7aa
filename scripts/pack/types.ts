// The programs of the README, type-checked against the tarballs as strictly as anybody does.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { bin, consumer, run } from "./run.js"

const compilers = [bin("tsc"), consumer("tsc")]
const modes = [
  { module: "nodenext", moduleResolution: "nodenext", ending: "mts" },
  { module: "esnext", moduleResolution: "bundler", ending: "ts" }
]

/** Strict, with the declarations of all packages, and without `@types/node`. */
export const checkTypes = async (folder: string, programs: ReadonlyArray<string>): Promise<void> => {
  const code = [...programs.filter((program) => !program.includes("@effect/vitest")), surface]
  for (const { ending, module, moduleResolution } of modes) {
    const files = code.map((text, index) => ({ name: `types-${index}.${ending}`, text }))
    for (const { name, text } of files) writeFileSync(join(folder, name), text)
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2022", types: [], noEmit: true, skipLibCheck: false },
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true }
    }
    const project = `tsconfig.${moduleResolution}.json`
    writeFileSync(join(folder, project), JSON.stringify({ compilerOptions, files: files.map(({ name }) => name) }))
    for (const compiler of compilers) {
      const version = (await run(folder, compiler, "--version")).trim()
      await run(folder, compiler, "-p", project)
      console.log(`types, TypeScript ${version.replace(/^Version /, "")}, ${moduleResolution}: good`)
    }
  }
}

const surface = `import * as Core from "@evertoken/core"
import * as Testing from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"

export const all: ReadonlyArray<object> = [Core, Testing, MemoryTokenStore]
export const close = (client: Core.TokenClient): Promise<void> => client[Symbol.asyncDispose]()
`
