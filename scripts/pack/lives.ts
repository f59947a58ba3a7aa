// Programs that live long, started from a folder and asked over HTTP.
import { spawn } from "node:child_process"

export interface Living {
  /** What `count` requests at a time are answered with. */
  readonly ask: (count: number) => Promise<ReadonlyArray<string>>
  /** What it printed so far. */
  readonly printed: () => string
  /** Ends it as an operator does; gives how it ended and what it printed. */
  readonly end: () => Promise<{ readonly status: number | null; readonly output: string }>
}

/** Starts a command that serves on `port`, and waits until it answers there. */
export const live = async (
  cwd: string,
  command: string,
  args: ReadonlyArray<string>,
  port: number,
  env: NodeJS.ProcessEnv = process.env
): Promise<Living> => {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text))
  child.stderr.setEncoding("utf8").on("data", (text) => (output += text))
  const ended = new Promise<number | null>((done) => child.on("close", done))
  const ask = async (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const response = await fetch(`http://127.0.0.1:${port}/invoices`, { signal: AbortSignal.timeout(30_000) })
        return `${response.status} ${await response.text()}`
      })
    )
  for (let tries = 0; ; tries++) {
    const answered = await fetch(`http://127.0.0.1:${port}/nothing`).then(
      (response) => response.arrayBuffer().then(() => true),
      () => false
    )
    if (answered) break
    if (tries === 600 || child.exitCode !== null) {
      child.kill("SIGKILL")
      throw new Error(`${command} ${args.join(" ")} does not serve:\n${output}`)
    }
    await new Promise((later) => setTimeout(later, 100))
  }
  return {
    ask,
    printed: () => output,
    end: async () => {
      child.kill("SIGTERM")
      return { status: await ended, output }
    }
  }
}
