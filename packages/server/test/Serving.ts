import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Authority } from "@evertoken/authority"
import { type Duration, Effect, Redacted, Schedule } from "effect"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { run } from "./Bin.js"
import { caller, calling, endpoint, environment, folder } from "./Service.js"

/** How many files and sockets a process holds; nothing where the system does not tell. */
export const handles = (pid: number): number | undefined => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return undefined
  }
}

/** How many MiB of memory a process holds; nothing where the system does not tell. */
export const memory = (pid: number): number | undefined => {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024
  } catch {
    return undefined
  }
}

/** The bin at work before a real authorization server, on SQLite unless `database` is another, its log as JSON. */
export const servingOn = Effect.fnUntraced(function* ({
  callers = [],
  connections,
  database,
  lifetime = "5 minutes",
  more,
  quiet = false,
  settings
}: ServingOptions = {}) {
  const authority = yield* Authority.make({ lifetime })
  const port = yield* freePort
  const admin = caller("admin", ["read", "put", "forget", "watch", "metrics"])
  const config = {
    listen: { port },
    connections: [
      ...(connections?.(authority) ?? []),
      { key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") },
      { key: "*", grant: "refresh_token", ...endpoint(authority, "app") }
    ],
    callers: [admin.setting, ...callers],
    rate: { requests: 100_000, per: "1 second" },
    ...settings
  }
  const env = {
    ...environment,
    ...more,
    DATABASE_URL: database ?? `file:${join(yield* folder, "tokens.db")}`,
    EVERTOKEN_CONFIG: JSON.stringify(config)
  }
  const bin = yield* run([], env)
  const url = `http://127.0.0.1:${port}`
  const call = calling(url, admin.key)
  const up = call("/health").pipe(
    Effect.catchAllDefect(Effect.fail),
    Effect.filterOrFail(({ status }) => status === 200),
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.orDie
  )
  yield* quiet ? up : bin.says(/Listening/)
  return { authority, bin, env, call, key: Redacted.value(admin.key), url }
})

export const serving = servingOn()

/** Runs a program in the process before the service, by its environment. */
export const preloaded = (program: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}`
})

interface ServingOptions {
  readonly database?: string
  /** Beside one that may do everything. */
  readonly callers?: ReadonlyArray<unknown>
  /** Before `billing`, and one for all other keys. */
  readonly connections?: (authority: Authority["Type"]) => ReadonlyArray<unknown>
  /** Of access tokens. */
  readonly lifetime?: Duration.DurationInput
  /** Its log does not say that it listens. */
  readonly quiet?: boolean
  /** Beside the usual. */
  readonly settings?: object
  /** Of the environment. */
  readonly more?: Readonly<Record<string, string>>
}
