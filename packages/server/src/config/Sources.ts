import * as HttpClient from "@effect/platform/HttpClient"
import { NoSource, type TokenSource } from "@evertoken/core"
import { fromProfile } from "@evertoken/core/profile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { matches } from "./ApiKeys.js"
import type { Admit } from "./Bounds.js"
import { inputsOf } from "./Inputs.js"
import { canLogIn, describe } from "./Profiles.js"
import { type ConnectionSetting, SettingsError } from "./Settings.js"
import { makeTenants, patternOf } from "./Tenants.js"

/** Builds the source of each declared connection, and finds the one of a key: the exact name first, then the first pattern. */
export const makeSources = Effect.fnUntraced(function* (
  connections: ReadonlyArray<ConnectionSetting>,
  bound: (pattern: string, most: number) => Admit
) {
  const exact = new Map<string, TokenSource>()
  const patterns: Array<(key: string) => Option.Option<Effect.Effect<TokenSource, NoSource>>> = []
  for (const [at, connection] of connections.entries()) {
    const setting = `connections[${at}]`
    const pattern = patternOf(connection)
    const { of, sample } = yield* sourcesAt(at, connection)
    const makesRows = pattern.includes("*") && canLogIn(connection)
    if (connection.maxKeys !== undefined && !makesRows) {
      const problem = "it bounds the keys of a pattern whose connection can log in; leave it out here"
      return yield* new SettingsError({ setting: `${setting}.maxKeys`, problem })
    }
    const admit = makesRows ? bound(pattern, connection.maxKeys ?? MOST_KEYS) : () => Effect.void
    if (pattern.includes("*")) {
      patterns.push((key) =>
        Option.map(matches(pattern, key) ? of(key) : Option.none(), (source) => Effect.zipRight(admit(key), source))
      )
    } else if (exact.has(pattern)) {
      return yield* new SettingsError({ setting: `${setting}.key`, problem: "another connection has this key" })
    } else if (sample !== undefined) exact.set(pattern, sample)
  }
  return (key: string): Effect.Effect<TokenSource, NoSource> => {
    const known = exact.get(key)
    if (known !== undefined) return Effect.succeed(known)
    for (const find of patterns) {
      const found = find(key)
      if (Option.isSome(found)) return found.value
    }
    return new NoSource({ key, detail: "no connection is declared for it" })
  }
})

/**
 * The sources of the connection that is declared at `at`: one for all of its keys, which is the `sample`; or, where its keys
 * name the tenant, one for each tenant.
 */
export const sourcesAt = Effect.fnUntraced(function* (at: number, connection: ConnectionSetting) {
  const setting = `connections[${at}]`
  if (!("profile" in connection) && connection.grant === "custom" && !connection.login && !connection.refresh) {
    return yield* new SettingsError({ setting, problem: "expected a login, a refresh, or both" })
  }
  const http = yield* HttpClient.HttpClient
  const { profile, secrets, settingOf } = yield* describe(setting, connection)
  const { find, isFromKey, samples } = yield* makeTenants(setting, connection, profile)
  const inputs = yield* inputsOf(setting, connection, secrets)
  const made = (tenant: Readonly<Record<string, string>>) =>
    fromProfile(profile, Object.keys(tenant).length === 0 ? inputs : { ...inputs, tenant }).pipe(
      Effect.provideService(HttpClient.HttpClient, http),
      Effect.mapError(({ expected, option }) => {
        const name = option === "source" ? setting : `${setting}.${settingOf(option)}`
        return new SettingsError({ setting: name, problem: `expected ${expected}` })
      })
    )
  // What cannot work shows at the start, and not at the first key.
  const [first] = samples
  const sample = first === undefined ? undefined : yield* made(first)
  const of = (key: string): Option.Option<Effect.Effect<TokenSource, NoSource>> =>
    sample !== undefined && !isFromKey
      ? Option.some(Effect.succeed(sample))
      : Option.map(find(key), (tenant) =>
          Effect.mapError(made(tenant), ({ message }) => new NoSource({ key, detail: message }))
        )
  return { of, sample: isFromKey ? undefined : sample, isStandard: profile.token !== undefined }
})

const MOST_KEYS = 1_000
