import { ChildProcess } from "node:child_process"
import { Server, Socket } from "node:net"

// What a file of the project "unit" must not use, so that it runs in parallel with any other and takes no real time.
const refuse = (what: string) => (): never => {
  throw new Error(`A test of the project "unit" ${what}: its file has to be named *.live.test.ts`)
}

Server.prototype.listen = refuse("starts a server")
Socket.prototype.connect = refuse("opens a connection")
Object.assign(ChildProcess.prototype, { spawn: refuse("starts a process") })
