import { readFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import type { Row } from "./measure.js"

const PEERS = ["effect", "effect/*", "@effect/platform", "@effect/platform/*"]

const bundled = async (contents: string): Promise<number> => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["@evertoken/source"],
    external: PEERS
  })
  return gzipSync(outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length / 1_000
}

/** What `@evertoken/core` weighs without its peers, minified and gzipped: all of it, and what a program like the README's takes. */
export const size = async (): Promise<ReadonlyArray<Row>> => {
  const row = (what: string, kilobytes: number): Row => ({
    what,
    figure: `${kilobytes.toFixed(1)} kB`,
    budget: "≤ 20 kB",
    kept: kilobytes <= 20
  })
  const program = await readFile(new URL("../examples/billing.ts", import.meta.url), "utf8")
  return [
    row("@evertoken/core, everything, minified and gzipped", await bundled('export * from "@evertoken/core"')),
    row(
      "@evertoken/core, its provider and policies alone",
      await bundled('export { TokenProvider, TokenSource, RefreshPolicy, TokenSet } from "@evertoken/core"')
    ),
    row("examples/billing.ts with all that it imports", await bundled(program))
  ]
}
