import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { type Caller as AnyCaller, Verb } from "@evertoken/client/api"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Somebody who may call the service. The API key itself is kept nowhere. */
export const Caller = Schema.Struct({
  /** What the caller is called in logs. */
  name: Schema.NonEmptyString,
  /** SHA-256 of the API key, as `evertoken api-key` prints it. */
  hash: Schema.String.pipe(
    Schema.pattern(/^[0-9a-f]{64}$/, {
      message: () => "expected the SHA-256 of an API key: 64 hexadecimal digits, as `evertoken api-key` prints it"
    })
  ),
  /** Patterns of the token keys it may name; `*` stands for any characters. */
  keys: Schema.NonEmptyArray(Schema.NonEmptyString),
  verbs: Schema.NonEmptyArray(Verb)
})
export type Caller = AnyCaller

/** A new API key, to be shown once, and the hash to configure. */
export const newApiKey = (): { readonly key: Redacted.Redacted; readonly hash: string } => {
  const key = `evk_${randomBytes(32).toString("base64url")}`
  return { key: Redacted.make(key), hash: hashOf(key).toString("hex") }
}

/** Finds the caller of an API key, in a time that tells nothing of the hashes. */
export const makeFind = (callers: ReadonlyArray<Caller>) => {
  const known = callers.map((caller) => ({ caller, hash: Buffer.from(caller.hash, "hex") }))
  return (presented: Redacted.Redacted): Option.Option<Caller> => {
    const hash = hashOf(Redacted.value(presented))
    let found: Caller | undefined
    for (const one of known) if (timingSafeEqual(one.hash, hash)) found = one.caller
    return Option.fromNullable(found)
  }
}

/** Whether `caller` may do `verb` with the tokens of `key`. */
export const may = (caller: Caller, verb: Verb, key: string): boolean =>
  caller.verbs.includes(verb) && caller.keys.some((pattern) => matches(pattern, key))

/** Whether `pattern`, where `*` stands for any characters, describes the whole of `text`; in linear time for each `*`. */
export const matches = (pattern: string, text: string): boolean => {
  const [first = "", ...rest] = pattern.split("*")
  const last = rest.pop()
  if (last === undefined) return pattern === text
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

/** The first digits of the hash of an API key: enough to know it again in a log, too few to find it by. */
export const fingerprint = (key: string): string => hashOf(key).toString("hex").slice(0, 8)

const hashOf = (key: string): Buffer => createHash("sha256").update(key, "utf8").digest()
