// Processes that share one login at an authorization server which rotates refresh tokens and ends a grant whose used
// refresh token comes again. Each side has a server, a login and processes of its own; what comes of it is counted.
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"
import { Authority, slowAnswer } from "@evertoken/authority"
import { Duration, Effect, Exit, Scope } from "effect"
import { type Caller, startRemote } from "./remote.js"
import { type CallerOptions, pause, random, type Said } from "./Side.js"
import { startServer } from "./server.js"

export type SideName = "evertoken" | "sdk" | "mcp-remote"

export interface NightOptions {
  readonly sides: ReadonlyArray<SideName>
  readonly processes: number
  readonly seconds: number
  /** How long access tokens live, in seconds. */
  readonly lifetime: number
  /** The most seconds that a process rests between two calls. */
  readonly rest: number
  /** The most seconds between two kills; zero for none. */
  readonly kills: number
  readonly replayWindow: number
  readonly seed: number
}

/** What came of one side. */
export interface Outcome {
  readonly side: SideName
  readonly calls: number
  readonly failed: number
  readonly errors: ReadonlyMap<string, number>
  /** How often a process showed the person a login page. */
  readonly pages: number
  /** How often the person had to log in again. */
  readonly logins: number
  readonly tokenRequests: number
  readonly alarms: number
  readonly kills: number
  /** How many answers of the token endpoint came when the process that had asked was gone. */
  readonly lost: number
}

export const night = async (options: NightOptions): Promise<ReadonlyArray<Outcome>> => {
  const folder = mkdtempSync(join(tmpdir(), "evertoken-mcp-"))
  const scope = Effect.runSync(Scope.make())
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  try {
    const program = await bundle(folder)
    return await Promise.all(options.sides.map((side) => runSide(side, options, join(folder, side), program, scope)))
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** How many processes start at once. */
const STARTING = 3

const runSide = async (
  side: SideName,
  options: NightOptions,
  folder: string,
  program: string,
  scope: Scope.Scope
): Promise<Outcome> => {
  const { processes, replayWindow, rest, seconds } = options
  const authority = await Effect.runPromise(
    Scope.extend(
      Authority.spawn({
        lifetime: Duration.seconds(options.lifetime),
        replayWindow: Duration.seconds(replayWindow)
      }),
      scope
    )
  )
  const server = await startServer(authority.issuer, authority.introspectionEndpoint)
  mkdirSync(folder)
  const draw = random(options.seed)
  const tally = { calls: 0, failed: 0, pages: 0, logins: 0, kills: 0 }
  const errors = new Map<string, number>()
  let counts = false
  let lastLogin = 0
  let loggedIn = () => {}

  /** The person: logs in where a page is shown, but not in each of the windows that open at once. */
  const person = async (caller: Caller, page: string) => {
    if (counts) tally.pages++
    if (Date.now() - lastLogin < 5_000) return
    lastLogin = Date.now()
    caller.comeBack(await Effect.runPromise(authority.login(page)))
  }
  const hear = (caller: Caller) => (said: Said) => {
    if ("page" in said) return void person(caller, said.page).catch((error) => console.error(`${side}: ${error}`))
    if ("loggedIn" in said) {
      if (!said.loggedIn) return
      if (counts) tally.logins++
      return loggedIn()
    }
    if (!counts) {
      if (said.call === "ok") caller.works = true
      return
    }
    tally.calls++
    if (said.call === "ok") return
    tally.failed++
    errors.set(said.error, (errors.get(said.error) ?? 0) + 1)
  }
  const start = (at: number): Caller => {
    const given = { side, url: server.url, folder, seed: options.seed * 1_000 + at, rest, replayWindow }
    return side === "mcp-remote" ? startRemote(given, hear) : startCaller({ ...given, side }, program, hear)
  }

  // One process logs in; the others find the login.
  const login = new Promise<void>((resume) => {
    loggedIn = resume
  })
  const callers = [start(0)]
  await login
  loggedIn = () => {}
  // A few at a time, so that none waits for a core for longer than an SDK waits for an answer.
  while (callers.length < processes) {
    callers.push(start(callers.length))
    while (callers.filter(({ works }) => !works).length >= STARTING) await pause(50)
  }
  while (!callers.every(({ works }) => works)) await pause(50)
  counts = true
  // Refresh tokens are spent for a second before the answer comes: time enough to be killed in between.
  if (options.kills > 0) await Effect.runPromise(authority.break(slowAnswer("1 second")))
  const before = (await Effect.runPromise(authority.tokenRequests)).length
  const until = Date.now() + seconds * 1_000
  console.error(`${side}: all at work`)
  while (Date.now() < until) {
    await pause(Math.min(until - Date.now(), options.kills === 0 ? 60_000 : draw() * options.kills * 1_000))
    if (options.kills === 0 || Date.now() >= until) continue
    const at = Math.floor(draw() * processes)
    callers[at]?.kill()
    callers[at] = start(at)
    tally.kills++
  }
  counts = false
  const log = (await Effect.runPromise(authority.tokenRequests)).slice(before)
  for (const caller of callers) caller.kill()
  server.close()
  const count = (is: (entry: (typeof log)[number]) => boolean) => log.filter(is).length
  return {
    ...{ side, errors, tokenRequests: log.length },
    ...{ alarms: count(({ alarm }) => alarm), lost: count(({ delivered }) => !delivered) },
    ...tally
  }
}

const startCaller = (
  options: CallerOptions,
  program: string,
  hear: (caller: Caller) => (said: Said) => void
): Caller => {
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(options)], {
    // The SDK warns of each login that it loses.
    stdio: ["pipe", "pipe", options.side === "sdk" ? "ignore" : "inherit"]
  })
  const caller: Caller = {
    works: false,
    kill: () => void child.kill("SIGKILL"),
    comeBack: (address) => void child.stdin?.write(`${address}\n`)
  }
  const listener = hear(caller)
  if (child.stdout !== null) createInterface(child.stdout).on("line", (line) => listener(JSON.parse(line)))
  return caller
}

/** One file of all that a caller imports, so that a process of many starts in a moment. */
const bundle = async (folder: string): Promise<string> => {
  const { build } = await import(pathToFileURL(createRequire(import.meta.url).resolve("esbuild")).href)
  const outfile = join(import.meta.dirname, "node_modules", ".cache", `${folder.split("/").at(-1)}.mjs`)
  await build({
    entryPoints: [join(import.meta.dirname, "caller.ts")],
    ...{ bundle: true, platform: "node", format: "esm", outfile, logLevel: "error" },
    conditions: ["@evertoken/source"],
    external: ["better-sqlite3"],
    banner: { js: 'import { createRequire as require_ } from "node:module"; const require = require_(import.meta.url)' }
  })
  process.once("exit", () => rmSync(outfile, { force: true }))
  return outfile
}
