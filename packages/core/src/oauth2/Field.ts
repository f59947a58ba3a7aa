import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { TokenSet } from "../model/TokenSet.js"
import type { SourceError } from "../model/TokenSource.js"

/**
 * A value, where in the current tokens to find it, or an Effect that makes it for each request: a timestamp, a nonce, a
 * signature. What is undefined is left out; what is `Redacted` stays out of errors.
 */
export type Field = Value | Made | ((current: TokenSet) => Value | Made)
export type Made = Effect.Effect<Value, SourceError>
export type Value = string | number | boolean | Redacted.Redacted | undefined

/** A JSON object of fields. */
export interface JsonFields {
  readonly [name: string]: Field | JsonFields | ReadonlyArray<Field | JsonFields>
}

/** The refresh token in hand. */
export const refreshToken: Field = (current) => current.refreshToken

/** The access token in hand. */
export const accessToken: Field = (current) => (current.hasAccessToken ? current.accessToken : undefined)

/**
 * A text with fields in it: `` text`Bearer ${accessToken}` ``. It is as secret as what is in it, and left out where a part
 * of it is undefined.
 */
export const text = (texts: ReadonlyArray<string>, ...fields: ReadonlyArray<Field>): Field => {
  if (fields.every(isFixed)) return joined(texts, fields)
  const made = (current: TokenSet | undefined) =>
    Effect.map(
      Effect.forEach(fields, (field) => valueOf(field, current)),
      (values) => joined(texts, values)
    )
  return fields.some(isOfTokens) ? (current) => made(current) : made(undefined)
}

/** A field that is made once for each request, however many of its parts it stands in: a timestamp, and its signature. */
export function once(made: Made): Made
export function once(field: Field): Field
export function once(field: Field): Field {
  const key = {}
  const kept = (made: Made): Made =>
    Effect.flatMap(FiberRef.get(ofRequest), (values) =>
      values === undefined
        ? made
        : values.has(key)
          ? Effect.succeed(values.get(key))
          : Effect.tap(made, (value) => Effect.sync(() => values.set(key, value)))
    )
  if (isFixed(field)) return field
  return isOfTokens(field) ? (current) => kept(valueOf(field, current)) : kept(field)
}

/** What the fields of one request, or of a text in one, are this time. */
export const valueOf = (field: Field, current: TokenSet | undefined): Made => {
  const value = isOfTokens(field) ? (current === undefined ? undefined : field(current)) : field
  return Effect.isEffect(value) ? value : Effect.succeed(value)
}

/** Runs `effect` for one request: what is made `once` is made once in it. */
export const forRequest = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.locally(effect, ofRequest, new Map()))

/** The texts of a secret that no error may repeat: all of it, and each secret that was put into it. */
export const partsOf = (secret: Redacted.Redacted): ReadonlyArray<string> => [
  `${Redacted.value(secret)}`,
  ...(parts.get(secret) ?? [])
]

/** A value that is the same for each request. */
export const isFixed = (field: unknown): field is Value =>
  Predicate.isUndefined(field) ||
  Predicate.isString(field) ||
  Predicate.isNumber(field) ||
  Predicate.isBoolean(field) ||
  Redacted.isRedacted(field)

/** A field that the current tokens are asked for. */
export const isOfTokens = (field: Field): field is (current: TokenSet) => Value | Made =>
  !Effect.isEffect(field) && Predicate.isFunction(field)

const ofRequest = FiberRef.unsafeMake<Map<object, Value> | undefined>(undefined)

const parts = new WeakMap<Redacted.Redacted, ReadonlyArray<string>>()

const joined = (texts: ReadonlyArray<string>, values: ReadonlyArray<Value>): Value => {
  if (values.some(Predicate.isUndefined)) return undefined
  const plain = values.map((value) => (Redacted.isRedacted(value) ? `${Redacted.value(value)}` : `${value}`))
  const whole = texts.map((text, at) => `${text}${plain[at] ?? ""}`).join("")
  const secrets = values.flatMap((value) => (Redacted.isRedacted(value) ? partsOf(value) : []))
  if (secrets.length === 0) return whole
  const secret = Redacted.make(whole)
  parts.set(secret, secrets)
  return secret
}
