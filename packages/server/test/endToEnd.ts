import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Authority, fingerprint, clients as known } from "@evertoken/authority"
import { Effect, Redacted } from "effect"
import { postgres } from "../../store-sql/test/Database.js"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { bundle } from "./Bin.js"
import { judge, LEASE, LIFETIME, WINDOW } from "./judge.js"
import { caller, environment } from "./Service.js"

/** What happened. */
export interface Report {
  readonly calls: number
  /** Answers that no caller should get, but of grants that died for a reason that the log tells. */
  readonly failures: ReadonlyArray<string>
  readonly detours: number
  /** How often a service said: try later. */
  readonly waits: number
  readonly kills: number
  readonly refreshes: number
  /** How often a refresh token came again that had brought tokens already. */
  readonly replays: number
  /** Those of them that came because their holder was too slow for its lease. */
  readonly overtaken: number
  /** Grants that died of a replay after the window, while the whole fleet was as far behind as that. */
  readonly starved: ReadonlyArray<string>
  /** The replays that nothing explains. */
  readonly unexplained: ReadonlyArray<string>
  /** Grants that were lost since nobody asked again inside the window, although the others were renewed in time. */
  readonly missed: ReadonlyArray<string>
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
    const authority = yield* Authority.spawn({ lifetime: `${LIFETIME} millis`, replayWindow: "10 seconds" })
    const main = yield* bundle
    const admin = caller("e2e", ["read", "put", "watch"])
    const fleet: Array<Member> = []
    for (const worker of [false, false, true, true]) {
      const port = yield* freePort
      const number = fleet.length
      const config = (start: number) => ({
        listen: { port },
        connections: [
          {
            ...{ key: "*", grant: "refresh_token", tokenEndpoint: authority.tokenEndpoint },
            ...{ clientId: "app", clientSecret: "env:APP_SECRET", replayWindow: `${WINDOW} millis` },
            headers: { "user-agent": `member ${number}, start ${start}` }
          }
        ],
        callers: [admin.setting],
        policy: { lease: `${LEASE} millis` },
        worker: { every: "500 millis", listen: { port: 0 } },
        rate: { requests: 100_000, per: "1 second" }
      })
      const env = (start: number) => ({
        ...environment,
        DATABASE_URL: database,
        EVERTOKEN_CONFIG: JSON.stringify(config(start))
      })
      fleet.push(makeMember(main, worker, port, env))
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => fleet.forEach((member) => void member.child?.kill("SIGKILL"))))
    yield* Effect.promise(() => Promise.all(fleet.map((member) => member.start())))

    const headers = { authorization: `Bearer ${Redacted.value(admin.key)}` }
    const services = fleet.filter(({ worker }) => !worker)
    const keys = Array.from({ length: options.connections }, (_, at) => `tenant-${at}/app`)
    const firsts = yield* Effect.forEach(
      keys,
      (key, at) =>
        Effect.gen(function* () {
          const { accessToken, expiresIn, refreshToken } = yield* authority.mint()
          const secrets = { accessToken: Redacted.value(accessToken), refreshToken: Redacted.value(refreshToken) }
          const body = JSON.stringify({ key, ...secrets, expiresIn: Number(expiresIn) || 20 })
          const url = `http://127.0.0.1:${services[at % 2]?.port}/v1/token`
          const put = yield* Effect.promise(() => fetch(url, { method: "PUT", headers, body }))
          if (!put.ok) throw new Error(`put: ${put.status} ${yield* Effect.promise(() => put.text())}`)
          return fingerprint(secrets.refreshToken)
        }),
      { concurrency: 4 }
    )

    const failed: Array<{ readonly key: string; readonly what: string }> = []
    const state = { calls: 0, detours: 0, waits: 0, inactive: 0, over: false }
    const client = async (number: number) => {
      for (let turn = number; !state.over; turn++) {
        const key = keys[(turn * 7 + number * 13) % keys.length] ?? ""
        const order = turn % 2 === 0 ? services : [...services].reverse()
        state.calls++
        const answer = await ask(order, key, headers, state)
        if (answer === undefined) failed.push({ key, what: "no service answered" })
        else if (answer.status !== 200) failed.push({ key, what: `${answer.status} ${answer.text.slice(0, 200)}` })
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
    const killed = new Map<string, number>()
    yield* Effect.promise(async () => {
      // However long it takes: each of them once at least.
      for (let turn = 0; turn < fleet.length || Date.now() < end; turn++) {
        await pause(Math.min(2_000, options.seconds * 50))
        const member = fleet[turn % fleet.length]
        killed.set(`member ${turn % fleet.length}, start ${member?.starts}`, Date.now())
        await member?.kill()
        await pause(500)
        await member?.start()
      }
      state.over = true
      await Promise.all(clients)
    })
    const exits = yield* Effect.promise(() => Promise.all(fleet.map((member) => member.stop())))
    const requests = yield* authority.tokenRequests
    const { calls, detours, inactive, waits } = state
    const { dead, ...replays } = judge(requests, killed, keys.length)
    const excused = new Set(keys.filter((_, at) => dead.has(firsts[at] ?? "")))
    const report: Report = {
      ...{ calls, detours, inactive, waits, exits, ...replays },
      failures: failed.filter(({ key }) => !excused.has(key)).map(({ key, what }) => `${key}: ${what}`),
      kills: killed.size,
      refreshes: requests.filter(({ outcome }) => outcome === "ok").length
    }
    return report
  })

interface Member {
  readonly worker: boolean
  readonly port: number
  /** How often it was started. */
  starts: number
  child: ChildProcess | undefined
  readonly start: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly stop: () => Promise<number | null>
}

const makeMember = (
  main: string,
  worker: boolean,
  port: number,
  env: (start: number) => Record<string, string>
): Member => {
  const member: Member = {
    worker,
    port,
    starts: 0,
    child: undefined,
    start: async () => {
      member.starts++
      const child = spawn(process.execPath, [main, worker ? "--worker-only" : "--no-worker"], {
        env: { PATH: process.env.PATH, ...env(member.starts) },
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

/** Asks one service, and where that one is not there, the other; later where it says so. */
const ask = async (
  services: ReadonlyArray<Member>,
  key: string,
  headers: Record<string, string>,
  state: { detours: number; waits: number }
) => {
  let said: { readonly status: number; readonly text: string } | undefined
  for (let tries = 0; tries < 10; tries++) {
    for (const { port } of services) {
      try {
        const url = `http://127.0.0.1:${port}/v1/token?key=${encodeURIComponent(key)}`
        const response = await fetch(url, { headers, signal: AbortSignal.timeout(120_000) })
        said = { status: response.status, text: await response.text() }
        if (response.status !== 503) return said
        state.waits++
      } catch {
        state.detours++
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  return said
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
