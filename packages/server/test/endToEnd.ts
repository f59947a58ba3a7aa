import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Authority, clients as known, type LogEntry } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { postgres } from "../../store-sql/test/Database.js"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { bundle } from "./Bin.js"
import { caller, environment } from "./Service.js"

/** What happened. */
export interface Report {
  readonly calls: number
  readonly failures: ReadonlyArray<string>
  readonly detours: number
  readonly kills: number
  readonly refreshes: number
  readonly alarms: number
  /** How often a refresh token came again that had brought tokens already. */
  readonly replays: number
  /** Those of them that no process was killed before. */
  readonly unexplained: ReadonlyArray<string>
  readonly inactive: number
  readonly exits: ReadonlyArray<number | null>
}

/**
 * PostgreSQL, an authorization server with rotation and reuse detection, two services and two workers, each a process
 * of its own, which are killed and started again in turn while clients call them for `seconds`.
 */
export const endToEnd = (options: {
  readonly seconds: number
  readonly connections: number
  readonly clients: number
}) =>
  Effect.gen(function* () {
    const { url: database } = yield* postgres.open
    // Servers that rotate take an old refresh token for a moment, since answers get lost; so does this one.
    const authority = yield* Authority.spawn({ lifetime: "20 seconds", replayWindow: "10 seconds" })
    const main = yield* bundle
    const admin = caller("e2e", ["read", "put", "watch"])
    const fleet: Array<Member> = []
    for (const worker of [false, false, true, true]) {
      const port = yield* freePort
      const config = {
        listen: { port },
        connections: [
          {
            ...{ key: "*", grant: "refresh_token", tokenEndpoint: authority.tokenEndpoint },
            ...{ clientId: "app", clientSecret: "env:APP_SECRET", replayWindow: "8 seconds" },
            headers: { "user-agent": `member ${fleet.length}` }
          }
        ],
        callers: [admin.setting],
        policy: { lease: `${LEASE} millis` },
        worker: { every: "500 millis", listen: { port: 0 } },
        rate: { requests: 100_000, per: "1 second" }
      }
      fleet.push(
        makeMember(main, worker, port, {
          ...environment,
          DATABASE_URL: database,
          EVERTOKEN_CONFIG: JSON.stringify(config)
        })
      )
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => fleet.forEach((member) => void member.child?.kill("SIGKILL"))))
    yield* Effect.promise(() => Promise.all(fleet.map((member) => member.start())))

    const headers = { authorization: `Bearer ${Redacted.value(admin.key)}` }
    const services = fleet.filter(({ worker }) => !worker)
    const keys = Array.from({ length: options.connections }, (_, at) => `tenant-${at}/app`)
    yield* Effect.forEach(
      keys,
      (key, at) =>
        Effect.gen(function* () {
          const { accessToken, expiresIn, refreshToken } = yield* authority.mint()
          const secrets = { accessToken: Redacted.value(accessToken), refreshToken: Redacted.value(refreshToken) }
          const body = JSON.stringify({ key, ...secrets, expiresIn: Number(expiresIn) || 20 })
          const url = `http://127.0.0.1:${services[at % 2]?.port}/v1/token`
          const put = yield* Effect.promise(() => fetch(url, { method: "PUT", headers, body }))
          if (!put.ok) throw new Error(`put: ${put.status} ${yield* Effect.promise(() => put.text())}`)
        }),
      { concurrency: 4 }
    )

    const state = { calls: 0, detours: 0, inactive: 0, failures: [] as string[], over: false }
    const client = async (number: number) => {
      for (let turn = number; !state.over; turn++) {
        const key = keys[(turn * 7 + number * 13) % keys.length] ?? ""
        const order = turn % 2 === 0 ? services : [...services].reverse()
        state.calls++
        const answer = await ask(order, key, headers, state)
        if (answer === undefined) state.failures.push(`${key}: no service answered`)
        else if (answer.status !== 200) state.failures.push(`${key}: ${answer.status} ${answer.text.slice(0, 200)}`)
        else if (turn % 25 === 0) {
          const token = String(JSON.parse(answer.text).accessToken)
          if (!(await isActive(authority, token))) state.inactive++
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const clients = Array.from({ length: options.clients }, (_, at) => client(at))
    const end = Date.now() + options.seconds * 1_000
    const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))
    const kills: Array<Kill> = []
    yield* Effect.promise(async () => {
      for (let turn = 0; Date.now() < end; turn++) {
        await pause(Math.min(2_000, options.seconds * 50))
        const member = fleet[turn % fleet.length]
        kills.push({ agent: `member ${turn % fleet.length}`, at: Date.now() })
        await member?.kill()
        await pause(500)
        await member?.start()
      }
      state.over = true
      await Promise.all(clients)
    })
    const exits = yield* Effect.promise(() => Promise.all(fleet.map((member) => member.stop())))
    const requests = yield* authority.tokenRequests
    const { calls, detours, failures, inactive } = state
    const report: Report = {
      ...{ calls, detours, failures, inactive, exits },
      kills: kills.length,
      refreshes: requests.filter(({ outcome }) => outcome === "ok").length,
      alarms: requests.filter(({ alarm }) => alarm).length,
      ...again(requests, kills)
    }
    return report
  })

interface Kill {
  readonly agent: string
  readonly at: number
}

/** The refresh tokens that came again, and whether whoever sent them first was killed about that time. */
const again = (requests: ReadonlyArray<LogEntry>, kills: ReadonlyArray<Kill>) => {
  const spent = new Map<string, LogEntry>()
  const unexplained: Array<string> = []
  let replays = 0
  for (const entry of [...requests].sort((a, b) => a.at - b.at)) {
    const { alarm, at, outcome, presented } = entry
    if (presented === undefined) continue
    const first = spent.get(presented)
    if (first !== undefined) {
      replays++
      const since = kills.filter(({ agent }) => agent === first.agent).map(({ at }) => first.at - at)
      const told = `${presented} of ${first.agent}: again after ${at - first.at} ms; killed ${since.join(", ")} ms before`
      const [from, to] = [first.at - LEASE, first.at + first.took + LEASE]
      if (!kills.some(({ agent, at }) => agent === first.agent && from <= at && at <= to)) unexplained.push(told)
      if (alarm) console.log(`alarm: ${told}`)
    } else if (outcome === "ok") spent.set(presented, entry)
  }
  return { replays, unexplained }
}

const LEASE = 2_000

interface Member {
  readonly worker: boolean
  readonly port: number
  child: ChildProcess | undefined
  readonly start: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly stop: () => Promise<number | null>
}

const makeMember = (main: string, worker: boolean, port: number, env: Record<string, string>): Member => {
  const member: Member = {
    worker,
    port,
    child: undefined,
    start: async () => {
      const child = spawn(process.execPath, [main, worker ? "--worker-only" : "--no-worker"], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ["ignore", "pipe", "inherit"]
      })
      member.child = child
      await new Promise<void>((resolve, reject) => {
        child.stdout?.on("data", (text: Buffer) => /at work|Listening/.test(`${text}`) && resolve())
        child.once("exit", (code) => reject(new Error(`it ended with ${code}`)))
      })
    },
    kill: async () => {
      member.child?.removeAllListeners("exit")
      member.child?.kill("SIGKILL")
      if (member.child !== undefined) await once(member.child, "close")
    },
    stop: async () => {
      const { child } = member
      if (child === undefined) return null
      child.removeAllListeners("exit")
      child.kill("SIGTERM")
      await once(child, "close")
      return child.exitCode
    }
  }
  return member
}

/** Asks one service, and where that one is not there, the other. */
const ask = async (
  services: ReadonlyArray<Member>,
  key: string,
  headers: Record<string, string>,
  state: { detours: number }
) => {
  for (const { port } of services) {
    try {
      const url = `http://127.0.0.1:${port}/v1/token?key=${encodeURIComponent(key)}`
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(40_000) })
      return { status: response.status, text: await response.text() }
    } catch {
      state.detours++
    }
  }
  return undefined
}

const isActive = async ({ introspectionEndpoint }: Authority["Type"], token: string) => {
  const authorization = `Basic ${Buffer.from(`api:${Redacted.value(known.api.clientSecret)}`).toString("base64")}`
  const response = await fetch(introspectionEndpoint, {
    method: "POST",
    headers: { authorization },
    body: new URLSearchParams({ token })
  })
  const { active } = await response.json()
  return active === true
}
