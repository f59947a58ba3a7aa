import { ChildProcess } from "node:child_process"
import { Server, Socket } from "node:net"
import { Effect, TestClock, TestContext } from "effect"

// What a file of the projects "unit" and "long" must not use, so that it runs in parallel with any other and takes no real time.
const refuse = (what: string) => (): never => {
  throw new Error(`A test of the project "unit" or "long" ${what}: its file has to be named *.live.test.ts`)
}

Server.prototype.listen = refuse("starts a server")
Socket.prototype.connect = refuse("opens a connection")
Object.assign(ChildProcess.prototype, { spawn: refuse("starts a process") })

// The clock of a test waits for the fibers that Effect's own runner of tests supervises, of which there are none here.
// What it does for that at each step, with two fibers and three timers, takes longer than the tests themselves: turns
// of the event loop stay.
const clock = Effect.runSync(Effect.provide(TestClock.testClock(), TestContext.TestContext))
const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
Object.assign(Object.getPrototypeOf(clock), { awaitSuspended: () => Effect.repeatN(turn, 2) })
