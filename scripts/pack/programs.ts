// The programs of a README file, run by plain Node in a folder where its install lines were run.
import { cpSync, existsSync, readdirSync, realpathSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { type FarSide, INVOICES } from "../far-side.js"
import { blocks, type Page, root } from "../readme.js"
import { end, printed } from "./run.js"

/** What the programs of `page` printed; each has to print what the page says, or what the API of the far side answers. */
export const runPrograms = async (
  page: Page,
  folder: string,
  farSide: FarSide,
  runtime: ReadonlyArray<string> = [process.execPath]
): Promise<ReadonlyArray<string>> => {
  useDriver(folder)
  const outputs: Array<string> = []
  const env = { ...process.env, EVERTOKEN_KEYS: `2026-11=${Buffer.alloc(32, 7).toString("base64url")}` }
  for (const [index, code] of programs(page).entries()) {
    const test = code.includes('"@effect/vitest"')
    const file = test ? `program-${index}.test.ts` : `program-${index}.mjs`
    writeFileSync(join(folder, file), local(code, farSide))
    const [command = "", ...args] = test ? [join("node_modules", ".bin", "vitest"), "run"] : runtime
    const out = printed(await end(folder, command, [...args, file], env), `${command} ${file} of ${page.path}`, folder)
    const expected = test ? "1 passed" : code.includes("/invoices") ? INVOICES : (blocks(page, "text")[0] ?? "").trim()
    if (expected === "" || !out.includes(expected)) {
      console.error(`${file} of ${page.path} printed ${JSON.stringify(out)} instead of ${JSON.stringify(expected)}`)
      process.exit(1)
    }
    outputs.push(out)
  }
  return outputs
}

/** The code blocks that are whole programs. */
export const programs = (page: Page): ReadonlyArray<string> =>
  [...blocks(page, "ts"), ...blocks(page, "js")].filter((code) => code.startsWith("import "))

/** A program with the addresses of the far side put in, as its reader puts in their own. */
export const local = (code: string, { url }: FarSide): string =>
  code.replaceAll(/https:\/\/(?:auth|api|tokens)\.example\.com/g, url)

/** SQLite's driver is taken as built here. */
const useDriver = (folder: string): void => {
  const flat = join(folder, "node_modules", "better-sqlite3")
  const pnpm = join(folder, "node_modules", ".pnpm")
  const nested = existsSync(pnpm)
    ? readdirSync(pnpm)
        .filter((name) => name.startsWith("better-sqlite3@"))
        .map((name) => join(pnpm, name, "node_modules", "better-sqlite3"))
    : []
  for (const place of [flat, ...nested].filter((path) => existsSync(path))) {
    const built = join(root, "node_modules", "better-sqlite3", "build")
    cpSync(built, join(dirname(join(realpathSync(place), "package.json")), "build"), { recursive: true })
  }
}
