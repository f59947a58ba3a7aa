import type * as HttpClient from "@effect/platform/HttpClient"
import {
  Expiry,
  type InvalidOption,
  NoSource,
  OAuth2,
  SourceLimits,
  TokenEndpoint,
  type TokenSource
} from "@evertoken/core"
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import { matches } from "./ApiKeys.js"
import type { Admit } from "./Bounds.js"
import { isPlace, secretAt } from "./Secrets.js"
import { type ConnectionSetting, type CustomRequest, SettingsError } from "./Settings.js"

/** Builds the source of each declared connection, and finds the one of a key: the exact name first, then the first pattern. */
export const makeSources = Effect.fnUntraced(function* (
  connections: ReadonlyArray<ConnectionSetting>,
  bound: (pattern: string, most: number) => Admit
) {
  const exact = new Map<string, TokenSource>()
  const patterns: Array<readonly [pattern: string, source: TokenSource, admit: Admit]> = []
  for (const [at, connection] of connections.entries()) {
    const setting = `connections[${at}]`
    const source = yield* sourceAt(at, connection)
    const makesRows = connection.key.includes("*") && source.login !== undefined
    if (connection.maxKeys !== undefined && !makesRows) {
      const problem = "it bounds the keys of a pattern whose connection can log in; leave it out here"
      return yield* new SettingsError({ setting: `${setting}.maxKeys`, problem })
    }
    const admit = makesRows ? bound(connection.key, connection.maxKeys ?? MOST_KEYS) : () => Effect.void
    if (connection.key.includes("*")) patterns.push([connection.key, source, admit])
    else if (exact.has(connection.key)) {
      return yield* new SettingsError({ setting: `${setting}.key`, problem: "another connection has this key" })
    } else exact.set(connection.key, source)
  }
  return (key: string): Effect.Effect<TokenSource, NoSource> => {
    const known = exact.get(key)
    if (known !== undefined) return Effect.succeed(known)
    const [, source, admit] = patterns.find(([pattern]) => matches(pattern, key)) ?? []
    return source === undefined || admit === undefined
      ? new NoSource({ key, detail: "no connection is declared for it" })
      : Effect.as(admit(key), source)
  }
})

/** The source of the connection that is declared at `at`. */
export const sourceAt = (at: number, connection: ConnectionSetting) =>
  named(`connections[${at}]`, sourceOf(`connections[${at}]`, connection))

const sourceOf = (
  setting: string,
  connection: ConnectionSetting
): Effect.Effect<TokenSource, InvalidOption | SettingsError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { clientSecret: place, key: _key, limits: given, maxKeys: _maxKeys, ...rest } = connection
    const clientSecret = place === undefined ? undefined : yield* secretAt(`${setting}.clientSecret`, place)
    const limits = given === undefined ? undefined : yield* named(`${setting}.limits`, SourceLimits.make(given))
    const options = { ...rest, ...(clientSecret === undefined ? {} : { clientSecret }), limits }
    if (options.grant === "custom") {
      const request = (name: "login" | "refresh" | "revoke") => {
        const declared = options[name]
        return declared === undefined ? Effect.succeed(undefined) : requestOf(`${setting}.${name}`, declared)
      }
      const [login, refresh, revoke] = [yield* request("login"), yield* request("refresh"), yield* request("revoke")]
      const { clientId, fields: given = {}, grant: _grant, ...others } = options
      const { expiresIn, refreshTokenExpiresIn, ...fields } = given
      return yield* TokenEndpoint.make({
        ...{ ...others, ...{ login, refresh, revoke }, fields },
        ...(clientId === undefined ? {} : { clientId }),
        ...(expiresIn === undefined ? {} : { expiry: Expiry.seconds(expiresIn) }),
        ...(refreshTokenExpiresIn === undefined ? {} : { refreshExpiry: Expiry.seconds(refreshTokenExpiresIn) })
      })
    }
    const { grant, ...declared } = options
    for (const part of ["parameters", "headers"] as const) {
      for (const [name, value] of Object.entries(declared[part] ?? {})) {
        if (!isPlace(value)) continue
        const problem = 'no secret can stand here, so none is looked up; a connection with "grant": "custom" takes some'
        return yield* new SettingsError({ setting: `${setting}.${part}.${name}`, problem })
      }
    }
    return yield* grant === "refresh_token" ? OAuth2.refreshToken(declared) : OAuth2.clientCredentials(declared)
  })

/** An option that cannot work, told by the setting it comes from; what is no option of its own is the whole setting. */
const named = <A, R>(setting: string, effect: Effect.Effect<A, InvalidOption | SettingsError, R>) =>
  Effect.catchTag(effect, "InvalidOption", ({ expected, option }) => {
    const name = option === "source" ? setting : `${setting}.${option}`
    return Effect.fail(new SettingsError({ setting: name, problem: `expected ${expected}` }))
  })

const requestOf = Effect.fnUntraced(function* (setting: string, request: typeof CustomRequest.Type) {
  const fields = (part: "headers" | "query" | "form" | "json") => {
    const given = request[part]
    if (given === undefined) return Effect.succeed(undefined)
    return Effect.all(Record.map(given, (value, name) => fieldOf(`${setting}.${part}.${name}`, value)))
  }
  const declared: TokenEndpoint.EndpointRequest = {
    url: request.url,
    method: request.method,
    headers: yield* fields("headers"),
    query: yield* fields("query"),
    form: yield* fields("form"),
    json: yield* fields("json")
  }
  return declared
})

const fieldOf = (setting: string, value: string): Effect.Effect<TokenEndpoint.Field, SettingsError> =>
  value === "{refreshToken}"
    ? Effect.succeed(TokenEndpoint.refreshToken)
    : value === "{accessToken}"
      ? Effect.succeed(TokenEndpoint.accessToken)
      : isPlace(value)
        ? secretAt(setting, value)
        : Effect.succeed(value)

const MOST_KEYS = 1_000
