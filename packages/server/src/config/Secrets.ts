import { readFile } from "node:fs/promises"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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
