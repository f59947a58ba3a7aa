import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { type Field, isFixed, isOfTokens, type Made, once, valueOf } from "../oauth2/Field.js"
import { importKey, randomId, sign } from "../transport/SigningKey.js"
import { lasting } from "./ProfileOptions.js"
import { fieldOf, mapField, type Names } from "./ProfileText.js"
import type { ComputedValue } from "./ProfileValues.js"

/** `names`, and beside them each computed value; one may name those before it. */
export const withComputed = (
  values: Readonly<Record<string, ComputedValue>>,
  names: Names
): Effect.Effect<Names, InvalidOption> =>
  Effect.reduce(Object.entries(values), names, (known, [name, value]) =>
    Effect.map(computed(value, known), (field) => ({ ...known, [name]: once(field) }))
  )

const computed = (value: ComputedValue, names: Names): Effect.Effect<Field, InvalidOption> => {
  if ("now" in value) {
    const after = value.after === undefined ? 0 : Duration.toMillis(lasting(value.after))
    return Effect.succeed(Effect.map(Clock.currentTimeMillis, (now) => TIMES[value.now](now + after)))
  }
  if ("random" in value) return Effect.succeed(RANDOM[value.random])
  if ("base64" in value) {
    return Effect.succeed(mapField(fieldOf(value.base64, names), (text) => Effect.succeed(Encoding.encodeBase64(text))))
  }
  if ("jwt" in value) return jwtOf(value.jwt, names)
  if ("sha256" in value) return digested("SHA-256", value.sha256, value.as, names)
  if ("sha1" in value) return digested("SHA-1", value.sha1, value.as, names)
  const text = fieldOf(value["hmac-sha256"], names)
  return Effect.succeed(
    mapBoth(fieldOf(value.key, names), text, (key, message) => Effect.map(hmac(key, message), ENCODED[value.as]))
  )
}

const isoOf = (at: number) => DateTime.formatIso(DateTime.unsafeMake(at))
const TIMES = {
  seconds: (at: number) => `${Math.floor(at / 1000)}`,
  millis: (at: number) => `${at}`,
  iso: isoOf,
  date: (at: number) => isoOf(at).slice(0, 10)
}
const RANDOM = { uuid: Effect.sync(() => crypto.randomUUID()), base64url: Effect.sync(randomId) }
const ENCODED = {
  hex: Encoding.encodeHex,
  base64: Encoding.encodeBase64,
  base64url: Encoding.encodeBase64Url
}

/** A field of two others; undefined where one of them is. */
const mapBoth = (first: Field, second: Field, make: (first: string, second: string) => Made): Field => {
  const made = (current: Parameters<typeof valueOf>[1]): Made =>
    Effect.flatMap(Effect.all([valueOf(first, current), valueOf(second, current)]), ([one, other]) =>
      one === undefined || other === undefined ? Effect.succeed(undefined) : make(plain(one), plain(other))
    )
  return isOfTokens(first) || isOfTokens(second) ? (current) => made(current) : made(undefined)
}

const plain = (value: unknown): string => (Redacted.isRedacted(value) ? `${Redacted.value(value)}` : `${value}`)

const unmade = () => new TokenEndpointError({ reason: "unreachable", detail: "the request could not be signed" })

const digested = (algorithm: string, text: string, as: keyof typeof ENCODED, names: Names) =>
  Effect.succeed(
    mapField(fieldOf(text, names), (whole) =>
      Effect.tryPromise({
        try: async () =>
          ENCODED[as](new Uint8Array(await crypto.subtle.digest(algorithm, new TextEncoder().encode(whole)))),
        catch: unmade
      })
    )
  )

const hmac = (key: string, message: string) =>
  Effect.tryPromise({
    try: async () => {
      const bytes = new TextEncoder()
      const algorithm = { name: "HMAC", hash: "SHA-256" }
      const imported = await crypto.subtle.importKey("raw", bytes.encode(key), algorithm, false, ["sign"])
      return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes.encode(message)))
    },
    catch: unmade
  })

const jwtOf = (
  {
    algorithm,
    claims,
    key,
    keyAs = "text",
    keyId,
    lifetime,
    ...more
  }: Extract<ComputedValue, { readonly jwt: unknown }>["jwt"],
  names: Names
): Effect.Effect<Field, InvalidOption> =>
  Effect.gen(function* () {
    const secret = names[key]
    if (!isFixed(secret) || !Redacted.isRedacted(secret)) {
      return yield* new InvalidOption({ option: `secrets.${key}`, expected: "Redacted.make of a key to sign with" })
    }
    const option = `secrets.${key}`
    const signing = isShared(algorithm)
      ? { algorithm, keyId: undefined, key: yield* bytesOf(option, `${Redacted.value(secret)}`, keyAs) }
      : yield* importKey(option, { key: secret, algorithm })
    const textsOf = (texts: Readonly<Record<string, string>>) =>
      Effect.map(
        Effect.forEach(Object.entries(texts), ([name, text]) =>
          Effect.map(valueOf(fieldOf(text, names), undefined), (value) => [name, plain(value)] as const)
        ),
        Object.fromEntries
      )
    const span = Math.ceil(Duration.toSeconds(lasting(lifetime)))
    return Effect.gen(function* () {
      const now = Math.floor((yield* Clock.currentTimeMillis) / 1000) - BACKDATED
      const header = yield* textsOf({ ...more.header, ...(keyId === undefined ? {} : { kid: keyId }) })
      const signed = sign(signing, header, { ...(yield* textsOf(claims)), iat: now, exp: now + span })
      return Redacted.make(yield* Effect.mapError(signed, unmade))
    })
  })

/** Whether a secret that both sides have signs (RFC 7518 section 3.2). */
export const isShared = (algorithm: string | undefined): algorithm is string => /^HS\d+$/.test(algorithm ?? "")

const bytesOf = (option: string, secret: string, as: "text" | "hex" | "base64") =>
  Either.mapLeft(BYTES[as](secret), () => new InvalidOption({ option, expected: `Redacted.make of a secret in ${as}` }))

const BYTES = {
  text: (secret: string) => Either.right(new TextEncoder().encode(secret)),
  hex: Encoding.decodeHex,
  base64: Encoding.decodeBase64
}

/** Seconds: servers refuse an `iat` of their future. */
const BACKDATED = 10
