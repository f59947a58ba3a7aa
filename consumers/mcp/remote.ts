import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
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

const main = join(dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")), "dist", "proxy.js")

/** A process of `mcp-remote`, called over its standard input and output, and started again where it ends, as an MCP host does. */
export const startRemote = (options: RemoteOptions, hear: (caller: Caller) => (said: Said) => void): Caller => {
  let runs = true
  let open: ReturnType<typeof connect> | undefined
  const caller: Caller = {
    works: false,
    kill: () => {
      runs = false
      open?.child.kill("SIGKILL")
    },
    // mcp-remote listens there itself.
    comeBack: (address) =>
      void fetch(address).then(
        ({ ok, status }) => say({ loggedIn: ok, ...(ok ? {} : { error: `HTTP ${status}` }) }),
        (error) => say({ loggedIn: false, error: String(error) })
      )
  }
  const say = hear(caller)
  const call = async () => {
    if (open === undefined || open.child.exitCode !== null) {
      // The page is taken from its log: no browser opens.
      const env = { ...process.env, MCP_REMOTE_CONFIG_DIR: options.folder, BROWSER: "/bin/true" }
      open = connect(spawn(process.execPath, [main, options.url, "--allow-http"], { stdio: "pipe", env }), say)
      const info = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "host", version: "1.0.0" } }
      await open.request("initialize", info)
      open.notify("notifications/initialized")
    }
    await open.request("tools/call", { name: "hello", arguments: {} })
  }
  void callForever(call, options, say, () => runs)
  return caller
}

/** Speaks MCP with a process. */
const connect = (child: ChildProcessWithoutNullStreams, say: (said: Said) => void) => {
  const waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  createInterface(child.stderr).on("line", (line) => {
    const page = /^(http:\S+\/auth\?\S+)$/.exec(line.trim())?.[1]
    if (page !== undefined) say({ page })
  })
  createInterface(child.stdout).on("line", (line) => {
    const { error, id, result } = JSON.parse(line)
    const call = waiting.get(id)
    waiting.delete(id)
    if (error !== undefined || result?.isError === true) call?.reject(new Error(error?.message ?? "isError"))
    else call?.resolve()
  })
  child.once("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("mcp-remote ended"))
  })
  child.stdin.on("error", () => {})
  let ids = 0
  const send = (message: object) => void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
  return {
    child,
    notify: (method: string) => send({ method }),
    request: (method: string, params: object) =>
      new Promise<void>((resolve, reject) => {
        const id = ids++
        waiting.set(id, { resolve, reject })
        send({ id, method, params })
        setTimeout(() => waiting.delete(id) && reject(new Error("no answer within a minute")), 60_000).unref()
      })
  }
}
