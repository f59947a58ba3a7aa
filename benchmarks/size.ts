import { readFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import type { Row } from "./measure.js"

const PEERS = ["effect", "effect/*", "@effect/platform", "@effect/platform/*"]

const row = async (what: string, contents: string, most: number): Promise<Row> => {
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
  const kilobytes = gzipSync(outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length / 1_000
  return {
    what: `${what}, minified and gzipped`,
    wall: `${kilobytes.toFixed(1)} kB`,
    budget: `≤ ${most} kB`,
    kept: kilobytes <= most
  }
}

/** What `@evertoken/core` weighs without its peers: all but encryption, what the README's program takes, and the least. */
export const size = async (): Promise<ReadonlyArray<Row>> => {
  const program = await readFile(new URL("../examples/billing.ts", import.meta.url), "utf8")
  return [
    await row("@evertoken/core without encryption", 'export * from "@evertoken/core"', 36),
    await row("examples/billing.ts with all that it imports", program, 25),
    await row(
      "@evertoken/core, its provider and policies alone",
      'export { TokenProvider, TokenSource, RefreshPolicy, TokenSet } from "@evertoken/core"',
      13
    )
  ]
}
