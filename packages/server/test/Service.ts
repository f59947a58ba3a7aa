import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Authority, clients } from "@evertoken/authority"
import { parseSettings, Server, type Settings } from "@evertoken/server"
import { ConfigProvider, type Duration, Effect, Layer, Redacted } from "effect"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { newApiKey, type Verb } from "../src/ApiKeys.js"

/** A folder that is gone afterwards. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "evertoken-server-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A caller's API key, and what to configure for it. */
export const caller = (name: string, verbs: ReadonlyArray<Verb>, keys: ReadonlyArray<string> = ["*"]) => {
  const { hash, key } = newApiKey()
  return { key, setting: { name, hash, keys, verbs } }
}

/** The service in this process, before a real authorization server, on SQLite. */
export const start = (options: { readonly lifetime?: Duration.DurationInput; readonly rate?: number } = {}) =>
  Effect.gen(function* () {
    const authority = yield* Authority.make({ lifetime: options.lifetime ?? "5 minutes" })
    const path = yield* folder
    const port = yield* freePort
    const admin = caller("admin", ["read", "put", "forget", "watch", "metrics"])
    const reader = caller("reader", ["read"], ["tenant-a/*"])
    const json = {
      listen: { port },
      database: `file:${join(path, "tokens.db")}`,
      connections: [
        { key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") },
        { key: "*/app", grant: "refresh_token", ...endpoint(authority, "app") }
      ],
      callers: [admin.setting, reader.setting],
      rate: { requests: options.rate ?? 10_000, per: "1 second" },
      worker: { every: "1 second" }
    }
    const settings = parse(json)
    yield* Layer.build(Server.layer(settings, { api: true, worker: true })).pipe(Effect.withConfigProvider(secrets))
    const url = `http://127.0.0.1:${port}`
    const call = (path: string, init: RequestInit & { readonly as?: Redacted.Redacted } = {}) =>
      Effect.promise(async () => {
        const { as = admin.key, ...rest } = init
        const headers = { authorization: `Bearer ${Redacted.value(as)}`, ...rest.headers }
        const response = await fetch(`${url}${path}`, { ...rest, headers })
        const text = await response.text()
        return { status: response.status, text, headers: response.headers, json: parsed(text) }
      })
    return { authority, admin: admin.key, reader: reader.key, call, settings, url }
  })

export const parse = (json: unknown): Settings => {
  const settings = parseSettings(JSON.stringify(json))
  if (settings instanceof Error) throw settings
  return settings
}

const parsed = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const endpoint = ({ tokenEndpoint }: Authority["Type"], client: "billing" | "app") => ({
  tokenEndpoint,
  clientId: client,
  clientSecret: `env:${client.toUpperCase()}_SECRET`
})

export const environment = {
  BILLING_SECRET: Redacted.value(clients.billing.clientSecret),
  APP_SECRET: Redacted.value(clients.app.clientSecret),
  EVERTOKEN_KEYS: `k1=${"A".repeat(42)}E`
}
const secrets = ConfigProvider.fromMap(new Map(Object.entries(environment)))
