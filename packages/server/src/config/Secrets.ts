import { readFile } from "node:fs/promises"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { SettingsError } from "./Settings.js"

/** Whether `text` says where a secret is. */
export const isPlace = (text: string): boolean => /^(?:env:[A-Za-z_]\w*|file:.+)$/.test(text)

/**
 * The secret that is at `place`, which `setting` names. A variable may name a place in its turn, except where `isSecret`
 * says that it is the secret itself; what a file holds is the secret.
 */
export const secretAt = (
  setting: string,
  place: string,
  isSecret: (text: string) => boolean = () => false
): Effect.Effect<Redacted.Redacted, SettingsError> => follow(setting, place, isSecret, MOST_PLACES)

const MOST_PLACES = 5

const follow = Effect.fnUntraced(function* (
  setting: string,
  place: string,
  isSecret: (text: string) => boolean,
  left: number
): Effect.fn.Return<Redacted.Redacted, SettingsError> {
  if (place.startsWith("file:")) {
    const path = place.slice("file:".length)
    const text = yield* Effect.tryPromise({
      try: () => readFile(path, "utf8"),
      catch: () => new SettingsError({ setting, problem: `the file ${path} cannot be read` })
    })
    if (text.trim() === "") return yield* new SettingsError({ setting, problem: `the file ${path} is empty` })
    return Redacted.make(text.trim())
  }
  const name = place.slice("env:".length)
  const found = yield* Effect.option(Config.redacted(name))
  if (Option.isNone(found) || Redacted.value(found.value) === "") {
    return yield* new SettingsError({ setting, problem: `the environment variable ${name} is not set` })
  }
  const text = Redacted.value(found.value)
  if (isSecret(text) || !isPlace(text)) return found.value
  if (left === 0)
    return yield* new SettingsError({ setting, problem: `the environment variable ${name} leads nowhere` })
  return yield* follow(setting, text, isSecret, left - 1)
})

/**
 * JSON in whose texts places of secrets stood, as a whole (`env:NAME`) or inside (`ID {env:NAME}`), with a name in braces
 * in their stead; and the secrets by these names, which are put into `secrets`.
 */
export const withoutPlaces = (
  setting: string,
  json: unknown,
  secrets: Record<string, Redacted.Redacted>
): Effect.Effect<unknown, SettingsError> => {
  const named = Effect.fnUntraced(function* (at: string, place: string) {
    const name = `place${Record.size(secrets) + 1}`
    secrets[name] = yield* secretAt(at, place)
    return `{${name}}`
  })
  const text = Effect.fnUntraced(function* (at: string, value: string) {
    if (isPlace(value)) return yield* named(at, value)
    let made = ""
    let end = 0
    for (const { 0: whole, 1: place = "", index } of value.matchAll(/\{((?:env|file):[^{}]+)\}/g)) {
      made += `${value.slice(end, index)}${yield* named(at, place)}`
      end = index + whole.length
    }
    return made + value.slice(end)
  })
  const walk = (at: string, value: unknown): Effect.Effect<unknown, SettingsError> => {
    if (Predicate.isString(value)) return text(at, value)
    if (Array.isArray(value)) return Effect.forEach(value, (one, index) => walk(`${at}[${index}]`, one))
    if (!Predicate.isRecord(value)) return Effect.succeed(value)
    const entries = Effect.forEach(Object.entries(value), ([name, one]) =>
      Effect.map(walk(`${at}.${name}`, one), (made) => [name, made] as const)
    )
    return Effect.map(entries, Object.fromEntries)
  }
  return walk(setting, json)
}

/** The encryption keys as they are written, or where `EVERTOKEN_KEYS` says that they are: in a file, also one a line. */
export const encryptionKeys: Effect.Effect<Redacted.Redacted, SettingsError> = Effect.gen(function* () {
  const written = yield* Effect.option(Config.redacted("EVERTOKEN_KEYS"))
  const text = Option.match(written, { onNone: () => "", onSome: Redacted.value })
  if (text === "") {
    const problem = 'they are not set; `evertoken encryption-key` makes one. Or set "encryption": "off"'
    return yield* new SettingsError({ setting: "EVERTOKEN_KEYS", problem })
  }
  const keys = isPlace(text) ? yield* secretAt("EVERTOKEN_KEYS", text) : Redacted.make(text)
  return Redacted.make(Redacted.value(keys).replace(/\s*[\r\n]+\s*/g, ","))
})
