// A NATS server of its own, which takes the newest token.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "../../../test/freePort.js"
import type { Plug } from "./plug.js"
import { startServer } from "./server.js"

const port = await freePort()
const folder = mkdtempSync(join(tmpdir(), "evertoken-nats-"))
const file = join(folder, "nats.conf")
const configure = (token: string) =>
  writeFileSync(file, `listen: "127.0.0.1:${port}"\nauthorization { token: "${token}" }\n`)
let server: Awaited<ReturnType<typeof startServer>>

/** Where it is. */
export const natsUrl = `127.0.0.1:${port}`

/** What a program whose far side is NATS says. */
export const natsSide: Pick<Plug, "accept" | "start" | "stop"> = {
  start: async () => {
    configure("none")
    server = await startServer("nats-server", ["-c", file], /Server is ready/)
    return server === undefined ? "nats-server is not installed" : undefined
  },
  accept: async (token) => {
    configure(token)
    server?.child.kill("SIGHUP")
    await server?.says(/Reloaded server configuration|Reloaded: authorization/)
  },
  stop: async () => {
    server?.child.kill()
    rmSync(folder, { recursive: true })
  }
}
