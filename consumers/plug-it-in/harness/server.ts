// Servers that a program starts for itself, where the machine has them.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

const all = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of all) child.kill("SIGKILL")
})

/** Starts a server and waits until it says so; undefined where the machine does not have it. */
export const startServer = async (
  command: string,
  args: ReadonlyArray<string>,
  ready: RegExp
): Promise<{ readonly child: ChildProcess; readonly says: (pattern: RegExp) => Promise<void> } | undefined> => {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
  const started = await Promise.race([once(child, "spawn"), once(child, "error").then(() => undefined)])
  if (started === undefined) return undefined
  all.add(child)
  const lines: Array<string> = []
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line)
      for (const look of waiting) look()
    })
  }
  /** Waits for a line that was not there before the last wait. */
  const says = (pattern: RegExp) =>
    new Promise<void>((found) => {
      const look = () => {
        const at = lines.findIndex((line) => pattern.test(line))
        if (at < 0) return
        lines.splice(0, at + 1)
        waiting.delete(look)
        found()
      }
      waiting.add(look)
      look()
    })
  await says(ready)
  return { child, says }
}
