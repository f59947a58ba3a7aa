import { readFile } from "node:fs/promises"
import { Config, Effect, Option, Redacted } from "effect"
import { SettingsError } from "./Settings.js"

/** The secret that is at `place`, which `setting` names. */
export const secretAt = Effect.fnUntraced(function* (setting: string, place: string) {
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
  return found.value
})

/** Whether `text` says where a secret is. */
export const isPlace = (text: string): boolean => /^(?:env:[A-Za-z_]\w*|file:.+)$/.test(text)
