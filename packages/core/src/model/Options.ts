// Longer than 200 lines: each kind of option has its check here, so that all say the same of a mistake.

import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { InvalidOption } from "./TokenError.js"

/** A length of time with its unit: `"5 minutes"` or `Duration.minutes(5)`. A bare number says no unit, so it is none. */
export type DurationOption = Exclude<Duration.DurationInput, number | bigint | readonly [number, number]>

/** Says what would be right where `value` will not do as `option`. All but `required` take undefined for "left out". */
export type Check = (value: unknown, option: string) => InvalidOption | undefined

/** One check for each option, so that none is forgotten. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check }

/** The first thing that is wrong with `options`: no object, a name that is not known, or a value that will not do. */
export const problemOf = (
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  within?: string
): InvalidOption | undefined => {
  if (!Predicate.isRecord(options)) return wrong(within ?? "options", `an object with ${listOf(Object.keys(checks))}`)
  const path = (name: string) => (within === undefined ? name : `${within}.${name}`)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(checks, name)) return wrong(path(name), known(name, Object.keys(checks)))
  }
  for (const [name, check] of Object.entries(checks)) {
    const problem = check(options[name], path(name))
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Fails with what is wrong with `options`, if anything is. */
export const checkOptions = (
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  within?: string
): Effect.Effect<void, InvalidOption> => Effect.suspend(() => problemOf(options, checks, within) ?? Effect.void)

/** Throws what is wrong, if anything is: for constructors that are no effects. */
export const must = (problem: InvalidOption | undefined): void => {
  if (problem !== undefined) throw problem
}

/** The service of `tag`. Programs in JavaScript come as far as here without it: the error says which layer gives it. */
export const service = <I, S>(tag: Context.Tag<I, S>, expected: string): Effect.Effect<S, InvalidOption, I> =>
  Effect.contextWithEffect((context: Context.Context<I>) =>
    Option.match(Context.getOption(context, tag), {
      onNone: () => Effect.fail(wrong(tag.key.slice(tag.key.lastIndexOf("/") + 1), expected)),
      onSome: Effect.succeed
    })
  )

/** A check by a predicate. */
export const kind =
  (expected: string, is: Predicate.Predicate<unknown>): Check =>
  (value, option) =>
    value === undefined || is(value) ? undefined : wrong(option, expected)

/** The same check of an option that cannot be left out. */
export const required =
  (check: Check): Check =>
  (value, option) =>
    check(value ?? null, option)

/** Checks one after the other. */
export const every =
  (...checks: ReadonlyArray<Check>): Check =>
  (value, option) => {
    for (const check of checks) {
      const problem = check(value, option)
      if (problem !== undefined) return problem
    }
    return undefined
  }

/** An object of options in an option. */
export const nested =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, option) =>
    value === undefined ? undefined : problemOf(value, checks, option)

/** A list whose elements all pass. */
export const listing =
  (expected: string, check: Check): Check =>
  (value, option) =>
    value === undefined
      ? undefined
      : Array.isArray(value)
        ? every(
            ...value.map(
              (element): Check =>
                () =>
                  required(check)(element, option)
            )
          )(value, option)
        : wrong(option, expected)

/** An object of any names whose values all pass. */
export const record =
  (expected: string, check: Check): Check =>
  (value, option) =>
    value === undefined
      ? undefined
      : Predicate.isRecord(value) && !Redacted.isRedacted(value)
        ? every(
            ...Object.keys(value).map(
              (name): Check =>
                () =>
                  check(value[name], `${option}.${name}`)
            )
          )(value, option)
        : wrong(option, expected)

/** Text that is not empty. */
export const text = (expected = "text that is not empty"): Check =>
  kind(expected, (value) => Predicate.isString(value) && value !== "")

/** Any text. */
export const string = kind("text", Predicate.isString)

/** What HTTP calls a token: the name of a header, of an authentication scheme. */
export const token = (expected: string): Check =>
  kind(expected, (value) => Predicate.isString(value) && /^[!#$%&'*+\-.^_`|~\w]+$/.test(value))

/** An authentication scheme. */
export const scheme = token('an authentication scheme, such as "Bearer"')

/** Yes or no. */
export const boolean = kind("true or false", Predicate.isBoolean)

/** A whole number. */
export const integer = (least: number, most: number): Check =>
  kind(
    `a whole number from ${least} to ${most.toLocaleString("en")}`,
    (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most
  )

/** One of some words. */
export const oneOf = (...words: ReadonlyArray<string>): Check =>
  kind(listOf(words), (value) => words.some((word) => word === value))

/** A secret. */
export const secret = (expected: string): Check =>
  kind(
    expected,
    (value) => Redacted.isRedacted(value) && Predicate.isString(Redacted.value(value)) && Redacted.value(value) !== ""
  )

/** A function. */
export const func = (expected: string): Check => kind(expected, Predicate.isFunction)

/** An Effect. */
export const effect = (expected: string): Check => kind(expected, Effect.isEffect)

/** A Schedule. */
export const schedule = (example: string): Check => kind(`a Schedule, such as ${example}`, Schedule.isSchedule)

/** A duration of zero or more. */
export const duration = kind(expecting("a duration"), (value) => millisOf(value) !== undefined)

/** A duration above zero. */
export const positive = kind(expecting("a duration above zero"), (value) => (millisOf(value) ?? 0) > 0)

/** A duration above zero that ends. */
export const lasting = kind(expecting("a duration above zero"), (value) => {
  const millis = millisOf(value) ?? 0
  return millis > 0 && Number.isFinite(millis)
})

/**
 * Whether a number that should be epoch milliseconds can only be seconds: of the years 2001 to 2049. As milliseconds
 * these are days of January 1970, at which only a test's clock stands, and that rarely.
 */
export const isSeconds = (instant: number): boolean => instant >= 1_000_000_000 && instant < 2_500_000_000

/** The known name that `name` was probably meant to be. */
export const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  const far = (candidate: string) => {
    const [a, b] = [plain(name), plain(candidate)]
    return distance(a, b) / Math.max(a.length, b.length)
  }
  const [best] = known.filter((candidate) => far(candidate) <= 0.4).sort((a, b) => far(a) - far(b))
  return best
}

/** The names as a list in words. */
export const listOf = (names: ReadonlyArray<string>): string => {
  const quoted = names.map((name) => `"${name}"`)
  return quoted.length < 2 ? quoted.join("") : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`
}

const wrong = (option: string, expected: string) => new InvalidOption({ option, expected })

const known = (name: string, names: ReadonlyArray<string>): string => {
  const near = nearest(name, names)
  return near === undefined ? `a known option: ${listOf(names)}` : `a known option; did you mean "${near}"?`
}

function expecting(what: string): string {
  return `${what} with its unit, such as Duration.seconds(3600) or "1 hour"`
}

const millisOf = (value: unknown): number | undefined =>
  Duration.isDuration(value) || (Predicate.isString(value) && !value.startsWith("-"))
    ? Option.getOrUndefined(Option.map(Duration.decodeUnknown(value), Duration.toMillis))
    : undefined

/** A name as other spellings of it have it too: `client_id`, `clientID`. */
const plain = (name: string) => name.replace(/[_-]/g, "").toLowerCase()

/** How many letters have to be put in, left out or changed to make `b` of `a` (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
