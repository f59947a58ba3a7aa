import { spawn } from "node:child_process"
import { once } from "node:events"
import { createRequire } from "node:module"
import { Effect } from "effect"

/** Another process that has the lock of the whole file until it is freed. */
export const locked = Effect.fnUntraced(function* (url: string) {
  const driver = JSON.stringify(createRequire(import.meta.url).resolve("better-sqlite3"))
  const program = `const db = require(${driver})(${JSON.stringify(url.slice("file:".length))})
    db.exec("BEGIN IMMEDIATE"); console.log("locked"); process.stdin.once("end", () => { db.exec("ROLLBACK"); db.close() }).resume()`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const over = once(child, "exit")
  yield* Effect.promise(() => once(child.stdout, "data"))
  return {
    free: Effect.zipRight(
      Effect.sync(() => child.stdin.end()),
      Effect.promise(() => over)
    )
  }
})
