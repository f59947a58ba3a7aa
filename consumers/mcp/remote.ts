import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { callForever, type Said } from "./Side.js"

/** One process of the night. */
export interface Caller {
  /** Whether a call has come to something. */
  works: boolean
  readonly kill: () => void
  /** The browser comes back to `address`. */
  readonly comeBack: (address: string) => void
}

interface RemoteOptions {
  readonly url: string
  readonly folder: string
  readonly seed: number
  readonly rest: number
}

/** A process of `mcp-remote`, as an MCP host starts it, called over its standard input and output. */
export const startRemote = (
  options: RemoteOptions,
  at: number,
  hear: (caller: Caller) => (said: Said) => void
): Caller => {
  const main = join(dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")), "dist", "proxy.js")
  // The page is taken from its log: no browser opens.
  const env = { ...process.env, MCP_REMOTE_CONFIG_DIR: options.folder, BROWSER: "/bin/true" }
  const child = spawn(process.execPath, [main, options.url, "--allow-http"], { stdio: "pipe", env })
  let runs = true
  const waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  const caller: Caller = {
    works: false,
    kill: () => {
      runs = false
      child.kill("SIGKILL")
    },
    // mcp-remote listens there itself.
    comeBack: (address) =>
      void fetch(address).then(
        ({ ok, status }) => say({ loggedIn: ok, ...(ok ? {} : { error: `HTTP ${status}` }) }),
        (error) => say({ loggedIn: false, error: String(error) })
      )
  }
  const say = hear(caller)
  createInterface(child.stderr).on("line", (line) => {
    if (process.env.REMOTE_LOG) console.error(at, line)
    const page = /^(http:\S+\/auth\?\S+)$/.exec(line.trim())?.[1]
    if (page !== undefined) say({ page })
  })
  createInterface(child.stdout).on("line", (line) => {
    const { error, id, result } = JSON.parse(line)
    const caller = waiting.get(id)
    waiting.delete(id)
    if (error !== undefined || result?.isError === true) caller?.reject(new Error(error?.message ?? "isError"))
    else caller?.resolve()
  })
  child.once("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("mcp-remote ended"))
  })
  child.stdin.on("error", () => {})
  let ids = 0
  const request = (method: string, params: object) =>
    new Promise<void>((resolve, reject) => {
      if (child.exitCode !== null) return reject(new Error("mcp-remote ended"))
      const id = ids++
      waiting.set(id, { resolve, reject })
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`)
      setTimeout(() => waiting.delete(id) && reject(new Error("no answer within 30 seconds")), 30_000).unref()
    })
  const initialize = async () => {
    const info = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "host", version: "1.0.0" } }
    await request("initialize", info)
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`)
  }
  let initialized: Promise<void> | undefined
  const call = async () => {
    initialized ??= initialize()
    await initialized.catch((error) => {
      initialized = undefined
      throw error
    })
    await request("tools/call", { name: "hello", arguments: {} })
  }
  void callForever(call, options, say, () => runs)
  return caller
}
