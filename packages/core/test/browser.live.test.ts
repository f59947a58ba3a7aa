import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { build } from "esbuild"
import { type Received, type Reply, startServer } from "./server.js"

const chromium = process.env.EVERTOKEN_TEST_CHROMIUM ?? "/usr/bin/chromium"

describe("a browser", () => {
  it.effect("gets a core that imports nothing of Node's", () =>
    Effect.gen(function* () {
      const { metafile } = yield* bundle("../src/index.ts")
      const inputs = Object.keys(metafile.inputs)
      assert.isTrue(inputs.some((path) => path.endsWith("core/src/provider/TokenCache.ts")))
      const outside = Object.values(metafile.inputs).flatMap(({ imports }) =>
        imports.filter(({ external }) => external).map(({ path }) => path)
      )
      assert.deepStrictEqual(outside, [])
    })
  )

  const found = existsSync(chromium)
  const live = found ? it.scopedLive : it.scopedLive.skip
  live(`${found ? "" : `(there is no ${chromium}) `}runs core in a page and in a worker`, () =>
    Effect.gen(function* () {
      const { outputFiles } = yield* bundle("./browserMain.ts")
      const reports = yield* Queue.unbounded<unknown>()
      let posts = 0
      const answer = ({ body, headers, path }: Received): Reply => {
        switch (path) {
          case "/":
            return reply("text/html", '<!doctype html><script type="module" src="/program.js"></script>')
          case "/program.js":
            return reply("text/javascript", outputFiles[0]?.text ?? "")
          case "/token":
            return reply("application/json", JSON.stringify({ access_token: `token-${++posts}`, expires_in: 3600 }))
          case "/api":
            return { status: Number(headers.authorization?.at(-1)) % 2 === 0 ? 200 : 401 } // each first token is refused
          case "/report":
            Queue.unsafeOffer(reports, JSON.parse(body.toString()))
            return {}
          default:
            return { status: 404 }
        }
      }
      const { origin } = yield* startServer(answer)
      yield* open(origin)
      for (const [index, where] of ["page", "worker"].entries()) {
        const value = Array.from({ length: 10 }, () => 200)
        assert.deepStrictEqual(yield* Queue.take(reports), { where, exit: { _id: "Exit", _tag: "Success", value } })
        assert.strictEqual(posts, 2 * (index + 1))
      }
    })
  )
})

const reply = (type: string, body: string): Reply => ({ headers: { "content-type": type }, body })

/** A file with all that it imports, for a browser. What a browser cannot have stays an import. */
const bundle = (path: string) =>
  Effect.promise(() =>
    build({
      entryPoints: [fileURLToPath(new URL(path, import.meta.url))],
      bundle: true,
      write: false,
      metafile: true,
      platform: "browser",
      format: "esm",
      target: "es2022",
      conditions: ["@evertoken/source"],
      external: ["node:*"],
      logLevel: "error"
    })
  )

/** Opens a page in a browser of its own, until the scope closes. */
const open = (page: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "evertoken-"))
      const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
      const child = spawn(chromium, [...flags, `--user-data-dir=${folder}`, page], { stdio: "ignore", detached: true })
      return { child, folder }
    }),
    ({ child, folder }) =>
      Effect.promise(async () => {
        const ended = new Promise((resolve) => child.once("exit", resolve))
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
        await ended
        await rm(folder, { recursive: true, force: true, maxRetries: 10 })
      })
  )
