import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { SettingsError } from "../config/Settings.js"

/**
 * The log: one line for each message on the standard output, with date and level, as JSON or for a person, as
 * `EVERTOKEN_LOG` and `EVERTOKEN_LOG_LEVEL` say. No line holds a character that forges another line or turns it around.
 */
export const layer: Layer.Layer<never, SettingsError> = Layer.unwrapEffect(
  Effect.gen(function* () {
    const format = yield* choice("EVERTOKEN_LOG", ["json", "pretty"], process.stdout.isTTY === true ? "pretty" : "json")
    const level = yield* choice("EVERTOKEN_LOG_LEVEL", ["debug", "info", "warning", "error"], "info")
    const line = format === "json" ? jsonLine : prettyLine
    return Layer.merge(
      // By the console, since a reader of the log that has gone must not end the process.
      Logger.replace(
        Logger.defaultLogger,
        Logger.make((options) => console.log(line(entryOf(options))))
      ),
      Logger.minimumLogLevel(LEVELS[level])
    )
  })
)

const LEVELS = { debug: LogLevel.Debug, info: LogLevel.Info, warning: LogLevel.Warning, error: LogLevel.Error }

const choice = <A extends string>(name: string, of: readonly [A, ...Array<A>], otherwise: A) =>
  Effect.flatMap(
    Effect.orElseSucceed(Config.string(name), () => ""),
    (given) =>
      given === ""
        ? Effect.succeed(otherwise)
        : Effect.mapError(
            Schema.decodeUnknown(Schema.Literal(...of))(given),
            () => new SettingsError({ setting: name, problem: `expected ${of.join(", ")}` })
          )
  )

interface Entry {
  readonly date: string
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

const entryOf = ({ annotations, cause, date, logLevel, message }: Logger.Logger.Options<unknown>): Entry => {
  const parts = Array.isArray(message) ? message : [message]
  const told = Cause.isEmpty(cause) ? [] : [causeOf(cause)]
  const fields = [...HashMap.entries(annotations)].map(
    ([name, value]) =>
      [name, typeof value === "number" || typeof value === "boolean" ? value : visible(`${value}`)] as const
  )
  return {
    date: date.toISOString(),
    level: logLevel.label,
    message: visible([...parts.map((part) => (Predicate.isString(part) ? part : nameOf(part))), ...told].join(": ")),
    fields: Object.fromEntries(fields)
  }
}

const jsonLine = ({ date, fields, level, message }: Entry) => JSON.stringify({ date, level, message, ...fields })

const prettyLine = ({ date, fields, level, message }: Entry) => {
  const more = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${date} ${level.padEnd(5)} ${message}${more.join("")}`
}

/** What failed, by the messages that are ours and hold no secret, else by its name alone. */
const causeOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Predicate.isError(error) && OURS.some((tag) => Predicate.isTagged(error, tag)) ? error.message : nameOf(error)
}
const OURS = ["TokenStoreError", "SettingsError", "InvalidOption", "NoSource", "TokenEndpointError", "ClientRejected"]

/** The name of an error or the kind of a value, whose own text may hold a secret. */
export const nameOf = (error: unknown): string => (Predicate.isError(error) ? error.name : typeof error)

/** `text` with control characters, bidirectional overrides and other invisible ones written as `\u{…}`. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`)

// Control, format (bidirectional ones among them), lone surrogates, line and paragraph separators.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** `told` at most once a minute. */
export const rarely = <A, E, R>(told: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> => {
  let next = 0
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (now < next && next - now <= MINUTE) return Effect.void
    next = now + MINUTE
    return Effect.asVoid(told)
  })
}

/** For each name: a line at most once a minute, and at most `most` names in a minute; the rest is one line, `beyond`. */
export const rarelyEach = (most: number, beyond: Effect.Effect<void>) => {
  const told = new Map<string, number>()
  const more = rarely(beyond)
  return (name: string, tell: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const isRecent = (at: number | undefined) => at !== undefined && Math.abs(now - at) < MINUTE
      if (isRecent(told.get(name))) return Effect.void
      if (told.size >= most) for (const [other, at] of told) if (!isRecent(at)) told.delete(other)
      if (told.size >= most) return more
      told.set(name, now)
      return tell
    })
}

const MINUTE = 60_000
