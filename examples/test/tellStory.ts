import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"

/** Runs `npm run story -- number` as a process of its own: what it printed, and its exit code. */
export const tellStory = (number: number, env: Readonly<Record<string, string>> = {}) =>
  Effect.async<{ readonly code: number; readonly text: string }>((resume) => {
    const main = fileURLToPath(new URL("../stories/main.ts", import.meta.url))
    const flags = ["--conditions=@evertoken/source", "--import", "tsx", main, `${number}`]
    const child = execFile(process.execPath, flags, { env: { ...process.env, ...env } }, (_, out, err) =>
      resume(Effect.succeed({ code: child.exitCode ?? 1, text: out + err }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })
