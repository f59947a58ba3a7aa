import { decodeProfile, type ProviderProfile } from "@evertoken/core/profile"
import * as providers from "@evertoken/providers"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { nearest } from "./Names.js"
import { withoutPlaces } from "./Secrets.js"
import { type ConnectionSetting, type DeclaredConnection, SettingsError } from "./Settings.js"

/** What the provider of a connection is like, and the secrets that stand in its requests. */
export interface Described {
  readonly profile: ProviderProfile
  readonly secrets: Readonly<Record<string, Redacted.Redacted>>
  /** The setting that an option of the source comes from. */
  readonly settingOf: (option: string) => string
}

/** The profile of the connection at `setting`: the one that it names, or the one that its own settings make. */
export const describe = Effect.fnUntraced(function* (setting: string, connection: ConnectionSetting) {
  const json = "profile" in connection ? yield* named(`${setting}.profile`, connection.profile) : declaredAs(connection)
  const settingOf = "profile" in connection ? identity : ownSetting
  const secrets: Record<string, Redacted.Redacted> = {}
  const parts: Record<string, unknown> = {}
  for (const part of REQUESTS) {
    if (json[part] === undefined) continue
    const at = part === "token" && !("profile" in connection) ? setting : `${setting}.${settingOf(`profile.${part}`)}`
    parts[part] = yield* withoutPlaces(at, json[part], secrets)
  }
  const names = [...(Array.isArray(json.secrets) ? json.secrets : []), ...Object.keys(secrets)]
  const traits = { ...(Predicate.isRecord(json.traits) ? json.traits : {}), ...traitsOf(connection) }
  const whole = {
    ...{ ...json, ...parts },
    ...(names.length === 0 ? {} : { secrets: names }),
    ...(Object.keys(traits).length === 0 ? {} : { traits })
  }
  const profile = yield* Effect.mapError(decodeProfile(whole), ({ expected, option }) => {
    const [, trait] = /^profile\.traits\.(\w+)$/.exec(option) ?? []
    return new SettingsError({ setting: `${setting}.${trait ?? settingOf(option)}`, problem: `expected ${expected}` })
  })
  return { profile, secrets, settingOf } satisfies Described
})

/** Whether a connection can log in by itself, so that a key is all it needs. */
export const canLogIn = (connection: ConnectionSetting): boolean => {
  if (!("profile" in connection)) {
    return (
      connection.grant === "client_credentials" || (connection.grant === "custom" && connection.login !== undefined)
    )
  }
  const { grant, profile } = connection
  const grants = Predicate.isString(profile) ? provider(profile)?.grants : profile.grants
  const first: unknown = Array.isArray(grants) ? grants[0] : undefined
  return ["client_credentials", "login", "jwt_bearer", "token_exchange"].some((one) => one === (grant ?? first))
}

/** The parts of a profile in which a secret may stand. */
const REQUESTS = ["token", "exchange", "refresh", "login", "revoke", "values"] as const

type Json = Readonly<Record<string, unknown>>

const identity = (option: string) => option

const provider = (id: string) => Object.values(providers).find((provider) => provider.id === id)

/** The profile with an id, or the one that is written at `setting`. */
export const named = (setting: string, profile: string | Json): Effect.Effect<Json, SettingsError> => {
  if (!Predicate.isString(profile)) return Effect.succeed(profile)
  const found = provider(profile)
  if (found !== undefined) return Effect.succeed({ ...found })
  const near = nearest(
    profile,
    Object.values(providers).map(({ id }) => id)
  )
  const problem = near === undefined ? "docs/providers.md lists those that are" : `did you mean "${near}"?`
  return new SettingsError({ setting, problem: `there is no such profile; ${problem}` })
}

/** The profile that a connection's own settings make. */
const declaredAs = (connection: DeclaredConnection): Json => {
  const { clientAuthentication, clientId, clientSecret, grant } = connection
  const authentication = clientAuthentication ?? (clientSecret === undefined ? "none" : "basic")
  const client = clientId === undefined ? {} : { client: { authentication } }
  if (grant !== "custom") {
    const { headers, parameters, revocationEndpoint, tokenEndpoint } = connection
    return {
      ...{ grants: [grant], ...client, token: without({ url: tokenEndpoint, parameters, headers }) },
      ...without({ revoke: revocationEndpoint })
    }
  }
  const { fields: { expiresIn, refreshTokenExpiresIn, tokenType, ...fields } = {}, login, refresh, revoke } = connection
  const expires = expiresIn === undefined ? undefined : { seconds: expiresIn }
  const refreshExpires = refreshTokenExpiresIn === undefined ? undefined : { seconds: refreshTokenExpiresIn }
  return {
    ...{ grants: [login === undefined ? "refresh_token" : "login"], ...client },
    ...without({ login, refresh, revoke }),
    answer: without({ ...fields, tokenTypeAt: tokenType, expires, refreshExpires })
  }
}

/** The own setting of a connection that a part of its profile comes from. */
const ownSetting = (option: string): string => OWN.reduce((name, [part, own]) => name.replace(part, own), option)

const OWN = [
  [/^profile\.token\.url$/, "tokenEndpoint"],
  [/^profile\.token\.?/, "parameters"],
  [/^profile\.answer\.expires\.seconds$/, "fields.expiresIn"],
  [/^profile\.answer\.refreshExpires\.seconds$/, "fields.refreshTokenExpiresIn"],
  [/^profile\.answer\.tokenTypeAt$/, "fields.tokenType"],
  [/^profile\.answer\b/, "fields"],
  [/^profile\.revoke$/, "revocationEndpoint"],
  [/^profile\./, ""]
] as const

/** The traits that a connection's settings say, as a profile has them. */
const traitsOf = (connection: ConnectionSetting): Json => {
  const { earliestRefresh, keepAlive, refreshTokenLifetime, replay, replayWindow, revokes, revokesAccessToken } =
    connection
  const lasting = { earliestRefresh, keepAlive, refreshTokenLifetime, replayWindow }
  const texts = Object.entries(lasting).flatMap(([name, duration]) =>
    duration === undefined ? [] : [[name, `${Duration.toMillis(duration)} millis`] as const]
  )
  return { ...Object.fromEntries(texts), ...without({ replay, revokes, revokesAccessToken }) }
}

const without = (json: Json): Json =>
  Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined))
