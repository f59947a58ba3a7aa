import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { Authority, clients } from "@evertoken/authority"
import type { Verb } from "@evertoken/client/api"
import { TokenStore } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { parseSettings, Server, type Settings } from "@evertoken/server"
import { SqlTokenStore } from "@evertoken/store-sql"
import { ConfigProvider, Context, type Duration, Effect, Layer, Redacted } from "effect"
import { mysql, type Database as TestDatabase } from "../../store-sql/test/Database.js"
import { freePort } from "../../store-sql/test/EmbeddedPostgres.js"
import { newApiKey } from "../src/config/ApiKeys.js"
import * as Database from "../src/config/Database.js"

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

/** The URL of a database that nothing else uses, which is gone afterwards. */
export const ownDatabase = ({ name, open }: TestDatabase) =>
  Effect.gen(function* () {
    const { connect, url } = yield* open
    if (name !== mysql.name) return url
    const own = `evertoken_${randomUUID().replaceAll("-", "")}`
    const ask = (use: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
      Effect.provide(Effect.flatMap(SqlClient.SqlClient, use), connect({ maxConnections: 1 }))
    yield* Effect.acquireRelease(
      ask((sql) => sql`CREATE DATABASE ${sql(own)}`.unprepared),
      () => Effect.ignore(ask((sql) => sql`DROP DATABASE ${sql(own)}`.unprepared))
    )
    return Object.assign(new URL(url), { pathname: `/${own}` }).href
  })

interface StartOptions {
  readonly lifetime?: Duration.DurationInput
  readonly rate?: { readonly requests: number; readonly per: string }
  /** In place of the loopback. */
  readonly host?: string
  /** In place of a `billing` and of what ends in `/app`. */
  readonly connections?: ReadonlyArray<unknown> | ((authority: Authority["Type"]) => ReadonlyArray<unknown>)
  /** Beside the usual. */
  readonly environment?: Readonly<Record<string, string>>
}

/** The service in this process, before a real authorization server, on SQLite. */
export const start = (options: StartOptions = {}) =>
  Effect.gen(function* () {
    const authority = yield* Authority.make({ lifetime: options.lifetime ?? "5 minutes" })
    const path = yield* folder
    const port = yield* freePort
    const admin = caller("admin", ["read", "put", "forget", "watch", "metrics"])
    const reader = caller("reader", ["read"], ["tenant-a/*"])
    const json = {
      listen: { host: options.host, port },
      database: `file:${join(path, "tokens.db")}`,
      connections: (typeof options.connections === "function"
        ? options.connections(authority)
        : options.connections) ?? [
        { key: "billing", grant: "client_credentials", ...endpoint(authority, "billing") },
        { key: "*/app", grant: "refresh_token", ...endpoint(authority, "app") }
      ],
      callers: [admin.setting, reader.setting],
      rate: options.rate ?? { requests: 10_000, per: "1 second" },
      worker: { every: "1 second" }
    }
    const settings = parse(json)
    const secrets = ConfigProvider.fromMap(new Map(Object.entries({ ...environment, ...options.environment })))
    yield* Layer.build(Server.layer(settings, { api: true, worker: true })).pipe(Effect.withConfigProvider(secrets))
    const url = `http://127.0.0.1:${port}`
    return { authority, admin: admin.key, reader: reader.key, call: calling(url, admin.key), settings, url }
  })

/** Calls the service at `url`, with the API key of `whoever` or of another. */
export const calling =
  (url: string, whoever: Redacted.Redacted) =>
  (path: string, init: RequestInit & { readonly as?: Redacted.Redacted } = {}) =>
    Effect.promise(async () => {
      const { as = whoever, ...rest } = init
      const headers = { authorization: `Bearer ${Redacted.value(as)}`, ...rest.headers }
      const response = await fetch(`${url}${path}`, { ...rest, headers })
      const text = await response.text()
      return { status: response.status, text, headers: response.headers, json: parsed(text) }
    })

/** The store that a service keeps in the file `address`, with the keys of `environment`. */
export const storeAt = (address: string) =>
  Effect.map(
    Layer.build(
      Layer.provide(
        SqlTokenStore.layer({ encryption: TokenCipher.config() }),
        Database.layer("database", Redacted.make(address))
      )
    ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))),
    (context) => Context.get(context, TokenStore)
  )

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

export const endpoint = ({ tokenEndpoint }: Authority["Type"], client: "billing" | "app") => ({
  tokenEndpoint,
  clientId: client,
  clientSecret: `env:${client.toUpperCase()}_SECRET`
})

export const environment = {
  BILLING_SECRET: Redacted.value(clients.billing.clientSecret),
  APP_SECRET: Redacted.value(clients.app.clientSecret),
  EVERTOKEN_KEYS: `k1=${"A".repeat(42)}E`
}
