// Longer than 200 lines: the control of one server: options and verbs.

import { spawn as spawnProcess } from "node:child_process"
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Context, Duration, Effect, Layer, Record, Redacted, Schema, type Scope } from "effect"
import type { ClientMetadata } from "oidc-provider"
import { type Command, controlPath, Reply } from "./Command.js"
import type { Fault } from "./Fault.js"
import type { LogEntry } from "./LogEntry.js"
import { deviceCode, jwtBearer, type Settings, tokenExchange } from "./Provider.js"
import { startServer } from "./Server.js"

/** A real authorization server (`oidc-provider`) on the loopback, that a test can watch, ask for tokens, and break. */
export class Authority extends Context.Tag("@evertoken/authority/Authority")<
  Authority,
  {
    readonly issuer: string
    readonly tokenEndpoint: string
    readonly introspectionEndpoint: string
    readonly revocationEndpoint: string
    readonly deviceAuthorizationEndpoint: string
    /** Every request to the token endpoint and what came of it, in the order the work was over. */
    readonly tokenRequests: Effect.Effect<ReadonlyArray<LogEntry>>
    /** The same of all endpoints: introspection, revocation and device authorization as well. */
    readonly log: Effect.Effect<ReadonlyArray<LogEntry>>
    /** Forgets the log. */
    readonly clear: Effect.Effect<void>
    /** A user logs in, without a browser: a new grant with its first access token and refresh token. */
    readonly mint: (options?: MintOptions) => Effect.Effect<Minted>
    /** Ends an access token, and only that. False if there is none. */
    readonly revoke: (accessToken: Redacted.Redacted) => Effect.Effect<boolean>
    /** The user takes back what was granted: the refresh token and all that came of it end. */
    readonly revokeGrant: (refreshToken: Redacted.Redacted) => Effect.Effect<boolean>
    /** The token endpoint behaves as `fault` says, for the next `times` requests or until `heal`. */
    readonly break: (fault: Fault, times?: number) => Effect.Effect<void>
    /** The token endpoint works again. */
    readonly heal: Effect.Effect<void>
    /** The user types the code of a device and agrees. */
    readonly approve: (userCode: string, account?: string) => Effect.Effect<boolean>
    /** Alice opens a login page in a browser, logs in and agrees: the address that she is sent back to. */
    readonly login: (page: string) => Effect.Effect<string>
    /** The user types the code of a device and refuses. */
    readonly deny: (userCode: string) => Effect.Effect<boolean>
  }
>() {
  /** Starts a server in this process, for as long as the scope lives. */
  static readonly make = (options: AuthorityOptions = {}): Effect.Effect<Authority["Type"], never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.promise(() => startServer(settings(options))),
      (server) => Effect.promise(() => server.close())
    ).pipe(Effect.map((server) => control(server.issuer, (command) => Effect.promise(() => server.handle(command)))))

  static readonly layer = (options?: AuthorityOptions): Layer.Layer<Authority> =>
    Layer.scoped(Authority, Authority.make(options))

  /** Starts a server as an OS process of its own, for as long as the scope lives. */
  static readonly spawn = (options: AuthorityOptions = {}): Effect.Effect<Authority["Type"], never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href
        const main = fileURLToPath(new URL("./main.ts", import.meta.url))
        return spawnProcess(process.execPath, ["--import", loader, main, JSON.stringify(settings(options))], {
          stdio: ["pipe", "pipe", "inherit"]
        })
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ).pipe(
      Effect.flatMap((child) =>
        Effect.async<string>((resume) => {
          createInterface(child.stdout).once("line", (line) => resume(Effect.succeed(line)))
          child.once("exit", (code) => resume(Effect.dieMessage(`The authorization server ended with ${code}`)))
        })
      ),
      Effect.map(Authority.connect)
    )

  /** The server that another process started, by its issuer. */
  static readonly connect = (issuer: string): Authority["Type"] =>
    control(issuer, (command) =>
      Effect.promise(async (signal) => {
        const response = await fetch(issuer + controlPath, { method: "POST", body: JSON.stringify(command), signal })
        if (!response.ok) throw new Error(`The authorization server refused ${command._tag}: ${await response.text()}`)
        return decodeReply(await response.json())
      })
    )
}

/** How the server behaves. */
export interface AuthorityOptions {
  /**
   * How long access tokens live. Whole seconds: the server counts in them and rounds down, so a token may end up to a
   * second before it says.
   * @default "5 seconds"
   */
  readonly lifetime?: Duration.DurationInput | undefined
  /** The clients whose access tokens live for another time. */
  readonly lifetimes?: Readonly<Record<string, Duration.DurationInput>> | undefined
  /** @default "1 day" */
  readonly refreshLifetime?: Duration.DurationInput | undefined
  /**
   * Each use of a refresh token gives a new one; a second use of the old one ends the grant.
   * @default true
   */
  readonly rotate?: boolean | undefined
  /**
   * For how long a used refresh token is accepted again, as some providers do.
   * @default 0
   */
  readonly replayWindow?: Duration.DurationInput | undefined
  /**
   * Proofs of possession (DPoP) are accepted from every client; with this they need a nonce of the server's.
   * @default false
   */
  readonly dpopNonce?: boolean | undefined
  /** More clients beside `clients`: one with `private_key_jwt` and its `jwks`, say, or a DPoP-bound one. */
  readonly clients?: ReadonlyArray<ClientMetadata> | undefined
  /** @default 0, any that is free */
  readonly port?: number | undefined
}

/** The clients every server knows. */
export const clients = {
  /** A machine: `client_credentials`. */
  billing: { clientId: "billing", clientSecret: Redacted.make("billing-secret") },
  /** An app that acts for users: refresh tokens, by login, device or signed assertion. */
  app: { clientId: "app", clientSecret: Redacted.make("app-secret") },
  /** The same without a secret. */
  native: { clientId: "native" },
  /** A protected API: it introspects tokens. */
  api: { clientId: "api", clientSecret: Redacted.make("api-secret") }
} as const

export interface MintOptions {
  /** @default "app" */
  readonly client?: string | undefined
  /** @default "alice" */
  readonly account?: string | undefined
  /** @default "offline_access read" */
  readonly scope?: string | undefined
}

/** What a token endpoint would have answered. */
export interface Minted {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
  readonly expiresIn: Duration.Duration
  readonly scopes: ReadonlyArray<string>
}

const control = (issuer: string, send: (command: Command) => Effect.Effect<Reply>): Authority["Type"] => {
  const log = send({ _tag: "Log" }).pipe(Effect.map((reply) => (reply._tag === "Entries" ? reply.entries : [])))
  const ask = (command: Command) => Effect.map(send(command), (reply) => reply._tag === "Done" && reply.found)
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    introspectionEndpoint: `${issuer}/token/introspection`,
    revocationEndpoint: `${issuer}/token/revocation`,
    deviceAuthorizationEndpoint: `${issuer}/device/auth`,
    log,
    tokenRequests: Effect.map(log, (entries) => entries.filter((entry) => entry.endpoint === "token")),
    clear: send({ _tag: "Clear" }),
    mint: ({ account = "alice", client = "app", scope = "offline_access read" } = {}) =>
      Effect.flatMap(send({ _tag: "Mint", account, client, scope }), (reply) =>
        reply._tag === "Minted"
          ? Effect.succeed({
              accessToken: Redacted.make(reply.accessToken),
              refreshToken: Redacted.make(reply.refreshToken),
              expiresIn: Duration.seconds(reply.expiresIn),
              scopes: reply.scope.split(" ")
            })
          : Effect.dieMessage("The authorization server minted nothing")
      ),
    revoke: (token) => ask({ _tag: "Revoke", token: Redacted.value(token) }),
    revokeGrant: (token) => ask({ _tag: "RevokeGrant", refreshToken: Redacted.value(token) }),
    break: (fault, times) => send({ _tag: "Break", fault, ...(times === undefined ? {} : { times }) }),
    heal: send({ _tag: "Heal" }),
    approve: (userCode, account = "alice") => ask({ _tag: "Approve", userCode, account }),
    login: (page) => Effect.promise((signal) => browse(page, new URL(issuer).origin, signal)),
    deny: (userCode) => ask({ _tag: "Deny", userCode })
  }
}

/** Follows redirects, with cookies, until they leave the server. */
const browse = async (page: string, origin: string, signal: AbortSignal): Promise<string> => {
  const cookies = new Map<string, string>()
  let url = new URL(page)
  for (let step = 0; url.origin === origin; step++) {
    if (step === 20) throw new Error(`The login page sends in circles: ${url}`)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const response = await fetch(url, { headers: { cookie }, redirect: "manual", signal })
    for (const set of response.headers.getSetCookie()) {
      const [name = "", value = ""] = (set.split(";")[0] ?? "").split("=")
      cookies.set(name, value)
    }
    const location = response.headers.get("location")
    if (location === null) throw new Error(`The login page answered ${response.status}: ${await response.text()}`)
    url = new URL(location, url)
  }
  return url.href
}

const settings = (options: AuthorityOptions): Settings => ({
  port: options.port ?? 0,
  lifetime: wholeSeconds(options.lifetime ?? "5 seconds"),
  lifetimes: Record.map(options.lifetimes ?? {}, wholeSeconds),
  refreshLifetime: wholeSeconds(options.refreshLifetime ?? "1 day"),
  replayWindowMillis: Duration.toMillis(options.replayWindow ?? 0),
  rotate: options.rotate ?? true,
  dpopNonce: options.dpopNonce ?? false,
  clients: [...knownClients, ...(options.clients ?? [])]
})

const wholeSeconds = (lifetime: Duration.DurationInput) => Math.max(1, Math.round(Duration.toSeconds(lifetime)))

const userGrants = ["authorization_code", "refresh_token", deviceCode, jwtBearer, tokenExchange]
const noLogin = { redirect_uris: [], response_types: [] }
const knownClients: ReadonlyArray<ClientMetadata> = [
  {
    client_id: "billing",
    client_secret: Redacted.value(clients.billing.clientSecret),
    grant_types: ["client_credentials"],
    scope: "read write",
    ...noLogin
  },
  {
    client_id: "app",
    client_secret: Redacted.value(clients.app.clientSecret),
    grant_types: userGrants,
    redirect_uris: ["http://127.0.0.1/callback"],
    application_type: "native"
  },
  {
    client_id: "native",
    token_endpoint_auth_method: "none",
    grant_types: userGrants,
    redirect_uris: ["http://127.0.0.1/callback"],
    application_type: "native"
  },
  { client_id: "api", client_secret: Redacted.value(clients.api.clientSecret), grant_types: [], ...noLogin }
]

const decodeReply = Schema.decodeUnknownSync(Reply)
