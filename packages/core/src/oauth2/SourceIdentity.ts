import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { SourceError } from "../model/TokenSource.js"

type Secret = Effect.Effect<Redacted.Redacted, SourceError>

/**
 * What the requests of a source depend on, as one text: all values in `description`, and the `secrets` as they are now.
 * Functions, and Effects that make something new for each request, say nothing.
 */
export const identityOf = (description: unknown, ...secrets: ReadonlyArray<unknown>): Secret =>
  Effect.map(
    Effect.forEach(secrets, (secret): Effect.Effect<unknown, SourceError> => (isRead(secret) ? secret : Effect.void)),
    (read) => Redacted.make(JSON.stringify(plain([description, read])))
  )

const isRead = (secret: unknown): secret is Secret => Effect.isEffect(secret)

/** A value as JSON, the same for the same, secrets in the clear. */
const plain = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return plain(Redacted.value(value))
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  if (Predicate.isBigInt(value)) return `${value}`
  if (Array.isArray(value)) return value.map(plain)
  if (!Predicate.isRecord(value)) return value
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto !== Object.prototype && proto !== null) return undefined
  const names = Object.keys(value).sort()
  return names.map((name) => [name, plain(value[name])])
}
