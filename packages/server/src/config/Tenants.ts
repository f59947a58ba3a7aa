import type { ProviderProfile } from "@evertoken/core/profile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type ConnectionSetting, SettingsError } from "./Settings.js"

/** The pattern of a connection's keys, in which a name of the tenant (`shopify/{shop}`) stands for any characters too. */
export const patternOf = (connection: ConnectionSetting): string =>
  "profile" in connection ? connection.key.replace(NAME, "*") : connection.key

/** Finds a connection's tenant in a key: none where the key does not fit. */
export type FindTenant = (key: string) => Option.Option<Readonly<Record<string, string>>>

/** How the keys of a connection name its tenant, or the setting that cannot be. */
export const makeTenants = Effect.fnUntraced(function* (
  setting: string,
  connection: ConnectionSetting,
  profile: ProviderProfile
) {
  const given = "profile" in connection ? (connection.tenant ?? {}) : {}
  const names = "profile" in connection ? [...connection.key.matchAll(NAME)].map(([, name = ""]) => name) : []
  for (const [at, name] of names.entries()) {
    const pattern = profile.tenant?.[name]
    const problem =
      pattern === undefined
        ? "its names in braces are those of the profile's tenant"
        : names.indexOf(name) < at || Object.hasOwn(given, name)
          ? `"${name}" has one value: it stands once, in the key or in "tenant"`
          : choosesHost(name, pattern, profile)
            ? `whoever asks for a key would choose where secrets go: write "${name}" into "tenant"`
            : undefined
    if (problem !== undefined) return yield* new SettingsError({ setting: `${setting}.key`, problem })
  }
  const parts = connection.key.split(NAME)
  // Every second one is a name.
  const source = parts.map((part, at) => (at % 2 === 1 ? `(?<${part}>${profile.tenant?.[part]})` : literal(part)))
  const fits = names.length === 0 ? undefined : new RegExp(`^${source.join("")}$`)
  const find: FindTenant = (key) =>
    fits === undefined
      ? Option.some(given)
      : Option.map(Option.fromNullable(fits.exec(key)), ({ groups }) => ({ ...given, ...groups }))
  /** Tenants that there might be, to try whether a source can be made. */
  const samples = PROBES.filter((probe) => names.every((name) => fitsPattern(probe, profile.tenant?.[name] ?? ""))).map(
    (probe) => ({ ...given, ...Object.fromEntries(names.map((name) => [name, probe])) })
  )
  return { find, isFromKey: names.length > 0, samples }
})

const fitsPattern = (value: string, pattern: string) => new RegExp(`^(?:${pattern})$`).test(value)

const NAME = /\{([A-Za-z]\w*)\}/g

/** What matches a text of a key, in which `*` stands for any characters. */
const literal = (text: string) =>
  text
    .split("*")
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
    .join("[^]*")

/** Whether a name's values can lead an address to a host of somebody else's. */
const choosesHost = (name: string, pattern: string, profile: ProviderProfile): boolean => {
  const accepted = PROBES.filter((probe) => fitsPattern(probe, pattern))
  return addressesOf(profile).some((address) => {
    const [, host = ""] = /^[a-z]+:\/\/([^/?#]*)/i.exec(address) ?? []
    if (!host.includes(`{${name}}`)) return false
    const owners = accepted.map((probe) => host.replaceAll(`{${name}}`, probe).split(".").slice(-2).join("."))
    return new Set(owners).size > 1
  })
}

/** What somebody might ask for who has a host of their own. */
const PROBES = ["evil", "other", "evil.com", "other.net", "evil.example.org", "1.2.3.4", "x1", "com", "net", "co.uk"]

const addressesOf = ({ api, authorize, device, exchange, login, refresh, revoke, token }: ProviderProfile) =>
  [api, authorize, device, exchange, login, refresh, revoke, token]
    .flat()
    .flatMap((part) =>
      part === undefined ? [] : Predicate.isString(part) ? [part] : "url" in part ? (part.url ?? []) : []
    )
