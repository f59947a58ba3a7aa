import * as Duration from "effect/Duration"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type DurationOption, func, isSeconds, kind, lasting, must, required, text } from "../model/Options.js"
import { at, parseJson } from "./JsonPath.js"

/**
 * How one kind of answer says when its token ends. Units are declared by choosing one of these, never guessed. Each of
 * them throws an `InvalidOption` where what it is given cannot work.
 */
export type Expiry = (answer: unknown) => Lifetime | undefined

/** How long a token lives, or when it ends in epoch milliseconds. */
export interface Lifetime {
  readonly expiresIn?: Duration.Duration | undefined
  readonly expiresAt?: number | undefined
}

/** Seconds from now, as a number or as text: `3600`, `"3600"`. */
export const seconds = (field: string): Expiry => relative(field, 1000)

/** Milliseconds from now, as a number or as text. */
export const millis = (field: string): Expiry => relative(field, 1)

/** Minutes from now, as a number or as text. */
export const minutes = (field: string): Expiry => relative(field, 60_000)

/** A point in time as seconds since 1970. */
export const epochSeconds = (field: string): Expiry => absolute(field, 1000)

/** A point in time as milliseconds since 1970. */
export const epochMillis = (field: string): Expiry => absolute(field, 1)

/** A point in time as an ISO 8601 date with its zone: `2026-01-01T00:00:00Z`. One without a zone is not read. */
export const isoDate = (field: string): Expiry =>
  of(field, (value) => (Predicate.isString(value) && ZONED.test(value) ? until(Date.parse(value)) : undefined))

/** A span as numbers between colons, spelled as `format` says: `"D:HH:MM:SS"`, `"D:HH:MM"`, `"H:MM:SS"`. */
export const clock = (field: string, format = "D:HH:MM:SS"): Expiry => {
  must(FORMAT(format, "format"))
  const units = format.split(":").map((part) => UNITS[part.charAt(0)] ?? Number.NaN)
  return of(field, (value) => {
    const parts = Predicate.isString(value) ? value.split(":") : []
    if (parts.length !== units.length || !parts.every((part) => /^\d{1,9}$/.test(part))) return undefined
    return lifetime(parts.reduce((sum, part, index) => sum + Number(part) * (units[index] ?? Number.NaN), 0))
  })
}

/** The `exp` claim of a token that is a JWT (RFC 7519 section 4.1.4); its signature is not looked at. */
export const jwt = (field = "access_token"): Expiry =>
  of(field, (token) => {
    const payload = Predicate.isString(token) ? (token.split(".")[1] ?? "") : ""
    const claims = Option.flatMap(Option.getRight(Encoding.decodeBase64UrlString(payload)), parseJson)
    return Option.isSome(claims) ? epochSeconds("exp")(claims.value) : undefined
  })

/** A lifetime that the answer does not tell, known from the provider's documentation. */
export const fixed = (lifetime: DurationOption): Expiry => {
  must(required(lasting)(lifetime, "lifetime"))
  const expiresIn = Duration.decode(lifetime)
  return () => ({ expiresIn })
}

/** Nobody says: the token is renewed on a 401 only. */
export const unknown: Expiry = () => undefined

/**
 * The first of these that reads a usable value: not zero, not negative, not over ten years.
 *
 * @example
 * ```ts
 * const source = TokenEndpoint.make({
 *   login: { url: "https://api.example.com/session", json: { user: "robot" } },
 *   expiry: Expiry.first(Expiry.seconds("expires_in"), Expiry.jwt("token"), Expiry.fixed("1 hour"))
 * })
 * ```
 */
export const first = (...spellings: ReadonlyArray<Expiry>): Expiry => {
  for (const spelling of spellings) must(required(READER)(spelling, "first"))
  return (answer) => {
    for (const spelling of spellings) {
      const lifetime = spelling(answer)
      if (lifetime !== undefined) return lifetime
    }
    return undefined
  }
}

const TEN_YEARS = Duration.toMillis("3650 days")
const ZONED = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)$/
const UNITS: Readonly<Record<string, number>> = { D: 86_400_000, H: 3_600_000, M: 60_000, S: 1000 }

const READER = func('Expiry.seconds("expires_in") or the like')
const FORMAT = kind(
  'units between colons, such as "D:HH:MM:SS"',
  (value) => Predicate.isString(value) && /^[DHMS]+(?::[DHMS]+)*$/.test(value)
)
const FIELD = required(text('the name of a field in the answer, such as "expires_in"'))

/** Reads the value of a field. */
const of = (field: string, read: (value: unknown) => Lifetime | undefined): Expiry => {
  must(FIELD(field, "field"))
  return (answer) => read(at(answer, field))
}

const lifetime = (span: number): Lifetime | undefined =>
  span > 0 && span <= TEN_YEARS ? { expiresIn: Duration.millis(span) } : undefined

const until = (instant: number): Lifetime | undefined =>
  instant > 0 && !isSeconds(instant) && instant < Number.MAX_SAFE_INTEGER ? { expiresAt: instant } : undefined

const number = (value: unknown): number =>
  Predicate.isNumber(value)
    ? value
    : Predicate.isString(value) && /^\s*\d{1,17}(?:\.\d+)?\s*$/.test(value)
      ? Number(value)
      : Number.NaN

const relative = (field: string, unit: number): Expiry => of(field, (value) => lifetime(number(value) * unit))

const absolute = (field: string, unit: number): Expiry => of(field, (value) => until(number(value) * unit))
