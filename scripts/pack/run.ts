// Commands, as a person would type them; where one fails, its output is shown and the check ends.
import { spawn } from "node:child_process"
import { join } from "node:path"
import { root } from "../readme.js"

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export const bin = (name: string) => join(root, "node_modules", ".bin", name)

/** A command of the folder `consumers`: package managers, compilers and runtimes that users have. */
export const consumer = (name: string) => join(root, "consumers", "node_modules", ".bin", name)

export const end = (
  cwd: string,
  command: string,
  args: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv = process.env
): Promise<Ended> =>
  new Promise((ended, failed) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
    let [stdout, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
    child.on("error", failed)
    child.on("close", (status) => ended({ status, stdout, stderr }))
  })

/** What a command prints. */
export const run = async (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  printed(await end(cwd, command, args), [command, ...args].join(" "), cwd)

/** What a command printed, if it succeeded. */
export const printed = ({ status, stderr, stdout }: Ended, command: string, cwd: string): string => {
  if (status === 0) return stdout
  console.error(`${command} failed in ${cwd}\n${stdout}${stderr}`)
  process.exit(1)
}

/**
 * Runs `npm install …`, or the same as `pnpm add …`. Scripts of packages do not run: SQLite's driver would be compiled
 * for minutes where it cannot be downloaded. pnpm then ends with a question about them, after everything is installed.
 */
export const runIn = async (cwd: string, manager: "npm" | "pnpm", words: ReadonlyArray<string>): Promise<void> => {
  const env = { ...process.env, npm_config_ignore_scripts: "true", npm_config_audit: "false", npm_config_fund: "false" }
  const [, ...what] = words
  const command = manager === "npm" ? "npm" : consumer("pnpm")
  const args = manager === "npm" ? ["install", ...what] : ["add", ...what]
  const ended = await end(cwd, command, args, env)
  if (manager === "pnpm" && ended.stderr.includes("ERR_PNPM_IGNORED_BUILDS")) return
  printed(ended, `${manager} ${args.join(" ")}`, cwd)
  if (/ERESOLVE|incorrect peer|unmet peer/i.test(ended.stdout + ended.stderr)) {
    console.error(`${manager} ${args.join(" ")} warned of versions that do not go together\n${ended.stderr}`)
    process.exit(1)
  }
}
