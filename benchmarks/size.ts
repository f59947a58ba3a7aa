import { readFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import type { Row } from "./measure.js"

const PEERS = ["effect", "effect/*", "@effect/platform", "@effect/platform/*"]

const row = async (what: string, contents: string, most: number): Promise<Row> => {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    splitting: true,
    metafile: true,
    outdir: "/",
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["@evertoken/source"],
    external: PEERS
  })
  // What is loaded at first: not what an import() brings once it is needed.
  const first = new Set(Object.keys(metafile.outputs).filter((path) => path.endsWith("stdin.js")))
  for (const path of first) {
    for (const { kind, path: next } of metafile.outputs[path]?.imports ?? [])
      if (kind === "import-statement") first.add(next)
  }
  const bytes = outputFiles
    .filter(({ path }) => [...first].some((name) => path.endsWith(`/${name.split("/").pop()}`)))
    .map(({ contents }) => gzipSync(contents, { level: 9 }).length)
  const kilobytes = bytes.reduce((sum, size) => sum + size, 0) / 1_000
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
