// Longer than 200 lines: one server with all its routes.

import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { Predicate, Schema, Struct } from "effect"
import type { KoaContextWithOIDC, default as Provider } from "oidc-provider"
import { Command, controlPath, type Reply } from "./Command.js"
import type { Fault } from "./Fault.js"
import { fingerprint, type LogEntry } from "./LogEntry.js"
import { alreadyUsed, loginPath, makeProvider, type Settings } from "./Provider.js"

/** A running authorization server, without Effect, so that a process of its own needs nothing more. */
export interface Server {
  readonly issuer: string
  readonly handle: (command: Command) => Promise<Reply>
  readonly close: () => Promise<void>
}

/** Starts a server on the loopback. */
export const startServer = async (settings: Settings): Promise<Server> => {
  // A server that is short of time would close a connection while a request is on its way, which leaves that one in doubt.
  const http = createServer({ keepAliveTimeout: 120_000 })
  http.listen(settings.port, "127.0.0.1")
  await once(http, "listening")
  const address = http.address()
  const issuer = `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : settings.port}`
  const provider = await makeProvider(issuer, settings)
  const state: State = { entries: [], fault: undefined, facts: new WeakMap() }
  watch(provider, state)
  const handle = (command: Command) => run(provider, state, command)
  const answer = provider.callback()
  http.on("request", (request, response) => {
    if (request.url?.startsWith(loginPath)) {
      const agreed = { login: { accountId: "alice" }, consent: {} }
      return void provider.interactionFinished(request, response, agreed).catch(() => response.writeHead(400).end())
    }
    if (request.url !== controlPath) return void answer(request, response)
    readBody(request)
      .then((body) => handle(decodeCommand(body)))
      .then(
        (reply) => response.setHeader("content-type", "application/json").end(JSON.stringify(reply)),
        (cause: unknown) => response.writeHead(400).end(String(cause))
      )
  })
  return {
    issuer,
    handle,
    close: async () => {
      http.close()
      http.closeAllConnections()
    }
  }
}

type OidcError = { readonly message: string; readonly error_detail?: string | undefined }

interface State {
  entries: Array<{ -readonly [K in keyof LogEntry]: LogEntry[K] }>
  fault: { readonly fault: Fault; left: number } | undefined
  readonly facts: WeakMap<IncomingMessage, Facts>
}

/** What oidc-provider's own events tell of a request. */
interface Facts {
  readonly context: KoaContextWithOIDC
  readonly detail?: string | undefined
}

const endpoints: Readonly<Record<string, LogEntry["endpoint"]>> = {
  "/token": "token",
  "/token/introspection": "introspection",
  "/token/revocation": "revocation",
  "/device/auth": "device_authorization"
}

const watch = (provider: Provider, state: State) => {
  const note = (context: KoaContextWithOIDC, error?: OidcError) =>
    state.facts.set(context.req, {
      context,
      detail: error === undefined ? undefined : (error.error_detail ?? error.message)
    })
  provider.on("grant.success", (context) => note(context))
  provider.on("grant.error", (context, error) => note(context, error))
  provider.on("introspection.error", (context, error) => note(context, error))
  provider.on("revocation.error", (context, error) => note(context, error))
  provider.on("server_error", (context, error) => note(context, error))

  provider.use(async (context, next) => {
    const endpoint = endpoints[context.path]
    if (endpoint === undefined) return next()
    const started = Date.now()
    const fault = endpoint === "token" ? takeFault(state) : undefined
    const drop = () => {
      context.respond = false
      context.res.destroy()
    }
    const agent = context.get("user-agent") || undefined
    const record = (entry: Omit<LogEntry, "endpoint" | "at" | "took" | "agent">) => {
      const kept = present({ endpoint, at: started, took: Date.now() - started, agent, ...entry })
      state.entries.push(kept)
      context.res.once("close", () => {
        if (!context.res.writableFinished) kept.delivered = false
      })
    }
    if (fault?._tag === "Drop") {
      record({
        ...described(await readBody(context.req), context.req),
        outcome: "dropped",
        alarm: false,
        delivered: false
      })
      return drop()
    }
    if (fault?._tag === "Refuse") {
      record({
        ...described(await readBody(context.req), context.req),
        outcome: "unavailable",
        status: fault.status,
        alarm: false,
        delivered: true
      })
      context.status = fault.status
      if (fault.retryAfter !== undefined) context.set("retry-after", String(fault.retryAfter))
      context.body = fault.body ?? ""
      return
    }
    if (fault?._tag === "Slow") await pause(fault.before)
    await next()
    const { body, status } = context
    const facts = state.facts.get(context.req)
    const { client, params } = facts?.context.oidc ?? {}
    const refusal = status >= 400
    record({
      client: client?.clientId ?? text(params, "client_id"),
      grantType: text(params, "grant_type"),
      outcome: refusal ? "refused" : "ok",
      status,
      error: refusal ? text(body, "error") : undefined,
      detail: facts?.detail,
      alarm: facts?.detail === alreadyUsed,
      delivered: fault?._tag !== "Lose",
      active: Predicate.hasProperty(body, "active") ? body.active === true : undefined,
      presented: fingerprinted(text(params, "refresh_token")),
      issued: fingerprinted(text(body, "refresh_token"))
    })
    if (fault?._tag === "Slow") await pause(fault.after)
    if (fault?._tag === "Garble") {
      context.status = 200
      context.body = fault.body
    }
    if (fault?._tag === "Lose") {
      await pause(fault.after)
      drop()
    }
  })
}

const run = async (provider: Provider, state: State, command: Command): Promise<Reply> => {
  switch (command._tag) {
    case "Log":
      return { _tag: "Entries", entries: [...state.entries] }
    case "Clear":
      state.entries = []
      return done(true)
    case "Break":
      state.fault = { fault: command.fault, left: command.times ?? Number.POSITIVE_INFINITY }
      return done(true)
    case "Heal":
      state.fault = undefined
      return done(true)
    case "Mint": {
      const { account: accountId, scope } = command
      const client = await provider.Client.find(command.client)
      if (client === undefined) throw new Error(`no client ${command.client}`)
      const grant = new provider.Grant({ accountId, clientId: client.clientId })
      grant.addOIDCScope(scope)
      const login = { accountId, client, grantId: await grant.save(), gty: "authorization_code", scope }
      const accessToken = new provider.AccessToken(login)
      const refreshToken = new provider.RefreshToken({ ...login, rotations: 0 })
      return {
        _tag: "Minted",
        accessToken: await accessToken.save(),
        refreshToken: await refreshToken.save(),
        expiresIn: accessToken.expiration,
        scope
      }
    }
    case "Revoke": {
      const token =
        (await provider.AccessToken.find(command.token)) ?? (await provider.ClientCredentials.find(command.token))
      await token?.destroy()
      return done(token !== undefined)
    }
    case "RevokeGrant": {
      const token = await provider.RefreshToken.find(command.refreshToken)
      if (token?.grantId === undefined) return done(false)
      const grant = await provider.Grant.find(token.grantId)
      await grant?.destroy()
      await provider.RefreshToken.revokeByGrantId(token.grantId)
      await provider.AccessToken.revokeByGrantId(token.grantId)
      return done(true)
    }
    case "Approve":
    case "Deny": {
      const code = await provider.DeviceCode.findByUserCode(command.userCode.replace(/\W/g, "").toUpperCase())
      if (code === undefined) return done(false)
      if (command._tag === "Deny") code.error = "access_denied"
      else {
        const scope = text(code.params, "scope") ?? ""
        const grant = new provider.Grant({
          accountId: command.account,
          ...(code.clientId === undefined ? {} : { clientId: code.clientId })
        })
        grant.addOIDCScope(scope)
        Object.assign(code, {
          accountId: command.account,
          authTime: Math.floor(Date.now() / 1000),
          grantId: await grant.save(),
          scope
        })
      }
      await code.save()
      return done(true)
    }
  }
}

const done = (found: boolean): Reply => ({ _tag: "Done", found })

const pause = (millis: number) => sleep(millis, undefined, { ref: false })

const takeFault = (state: State): Fault | undefined => {
  const { fault: current } = state
  if (current === undefined) return undefined
  current.left -= 1
  if (current.left <= 0) state.fault = undefined
  return current.fault
}

/** Who asks for what, read off a request that never reaches the provider. */
const described = (body: string, request: IncomingMessage) => {
  const form = new URLSearchParams(body)
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
  const user = basic === undefined ? undefined : Buffer.from(basic, "base64").toString().split(":")[0]
  return {
    client: form.get("client_id") ?? user,
    grantType: form.get("grant_type") ?? undefined,
    presented: fingerprinted(form.get("refresh_token") ?? undefined)
  }
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Without the fields that say nothing, as JSON would have it. */
const present = <A extends object>(entry: A): A => {
  for (const key of Struct.keys(entry)) if (entry[key] === undefined) delete entry[key]
  return entry
}

const text = (from: unknown, key: string): string | undefined =>
  Predicate.hasProperty(from, key) && typeof from[key] === "string" ? from[key] : undefined

const fingerprinted = (token: string | undefined): string | undefined =>
  token === undefined ? undefined : fingerprint(token)

const decodeCommand = Schema.decodeUnknownSync(Schema.parseJson(Command))
