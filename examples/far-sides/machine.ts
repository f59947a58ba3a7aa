import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "evertoken-story-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** A process of its own, of the same program with other arguments. It ends with the scope. */
export const startProcess = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<{ readonly kill: () => void; readonly ended: Effect.Effect<unknown> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], {
          env: { ...process.env, ...env },
          stdio: ["ignore", "ignore", "inherit"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const exit = once(child, "exit")
    return { kill: () => void child.kill("SIGKILL"), ended: Effect.promise(() => exit) }
  })
