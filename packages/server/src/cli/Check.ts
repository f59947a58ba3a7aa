import { randomUUID } from "node:crypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { TokenEndpointError, TokenSet, TokenStore } from "@evertoken/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { type ConnectionSetting, type Settings } from "../config/Settings.js"
import { sourcesAt } from "../config/Sources.js"
import * as Store from "../config/Store.js"
import * as Listener from "../http/Listener.js"
import { visible } from "../observability/Log.js"
import * as Server from "../Server.js"
import { say } from "./Maintenance.js"

/** Says whether the service could start like this. It changes nothing; with `trial` it also tries what can be tried. */
export const check = Effect.fnUntraced(function* (settings: Settings, parts: Server.Parts, trial: boolean) {
  yield* Logger.withMinimumLogLevel(Server.declared(settings, parts), LogLevel.Warning)
  if (settings.encryption !== "off") yield* Store.cipher
  const { tables } = yield* Store.look(settings)
  yield* say("The configuration is good.")
  const missing = { absent: "not there yet", older: "of an older version" }
  if (tables !== "ready") {
    yield* say(`The tables are ${missing[tables]}: the service makes them as it starts, or \`evertoken migrate\` does.`)
  }
  if (!trial) return 0
  const timeout = settings.policy.timeout ?? Duration.seconds(10)
  const tried = yield* Effect.all(
    [
      parts.api ? port("listen", settings.listen) : port("worker.listen", settings.worker.listen),
      tables === "ready" ? rows(settings) : Effect.succeed(true),
      ...settings.connections.map((connection, at) => endpoint(connection, at, timeout))
    ],
    { concurrency: 4 }
  ).pipe(Effect.provide(NodeHttpClient.layerUndici))
  return tried.every((good) => good) ? 0 : 1
})

const good = (what: string) => Effect.as(say(`good   ${what}`), true)
const bad = (what: string) => Effect.as(say(`WRONG  ${what}`), false)

/** Listens for a moment. */
const port = (setting: string, at: Listener.Address) =>
  Effect.matchEffect(Effect.scoped(Layer.build(Listener.layer(at, setting))), {
    onSuccess: () => good(`${setting}: ${at.host}:${at.port} is free`),
    onFailure: ({ message }) => bad(`${message}; perhaps the service is running already`)
  })

/** Opens some of the rows. */
const rows = (settings: Settings) =>
  Effect.gen(function* () {
    const page = yield* (yield* TokenStore).page({ after: undefined, limit: MOST_ROWS })
    const broken = page.flatMap(({ error }) => (error === undefined ? [] : [error.detail ?? error.reason]))
    return yield* broken.length === 0
      ? good(`database: ${page.length} rows were looked at, and all open`)
      : bad(`EVERTOKEN_KEYS: ${broken.length} of ${page.length} rows do not open: ${broken[0]}; see evertoken report`)
  }).pipe(Effect.provide(Store.existing(settings, "look")))

/**
 * Asks a token endpoint: for a token, which is thrown away, where the connection can log in; else with a refresh token
 * that was made up, so that none that is kept is spent.
 */
const endpoint = (connection: ConnectionSetting, at: number, timeout: Duration.Duration) =>
  Effect.gen(function* () {
    const name = `connections[${at}] "${visible(connection.key)}"`
    const { isStandard, sample } = yield* sourcesAt(at, connection)
    if (sample === undefined) return yield* good(`${name}: its keys name the tenant, so nobody is asked`)
    const { login, refresh } = sample
    const madeUp = TokenSet.make({ accessToken: `made-up-${randomUUID()}`, refreshToken: `made-up-${randomUUID()}` })
    const answer = yield* (login ?? refresh?.(madeUp) ?? Effect.succeed(madeUp)).pipe(
      Effect.disconnect,
      Effect.timeoutFail({ duration: timeout, onTimeout: () => new TokenEndpointError({ reason: "timeout" }) }),
      Effect.either
    )
    if (login !== undefined) {
      return yield* Either.isRight(answer)
        ? good(`${name}: gave a token, which is thrown away`)
        : bad(`${name}: ${answer.left.message}`)
    }
    // Nobody knows how an endpoint that is not standard refuses a token, nor whether it looks at it.
    if (Either.isRight(answer)) {
      return yield* (isStandard ? bad : good)(`${name}: gave a token for a refresh token that was made up`)
    }
    const error = answer.left
    if (error._tag === "GrantRejected") {
      return yield* good(`${name}: answers, and refuses a refresh token that was made up (${error.code})`)
    }
    const isRefusal = !isStandard && error.status !== undefined && error.status >= 400 && error.status < 500
    return yield* isRefusal
      ? good(`${name}: answers to a refresh token that was made up: ${error.message}`)
      : bad(`${name}: ${error.message}`)
  })

const MOST_ROWS = 1_000
