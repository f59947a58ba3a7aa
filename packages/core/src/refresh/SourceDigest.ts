import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { TokenSource } from "../model/TokenSource.js"
import { within } from "../model/Within.js"
import type { Failure } from "../store/Failure.js"

/** Which sources were refused in a row. */
type Refused = NonNullable<Failure["refused"]>

/**
 * Whether `source` is none of those that `failure` says were refused: its description or its credentials changed. Not so
 * once many were, so that credentials that differ each time, or many that are wrong, keep to the back-off.
 */
export const isChanged = (source: TokenSource, failure: Failure | undefined): Effect.Effect<boolean> => {
  const refused = failure?.tag === "ClientRejected" ? failure.refused : undefined
  if (refused === undefined || refused.digests.length >= MOST) return Effect.succeed(false)
  return Effect.map(
    digestOf(source, refused.key),
    (digest) => digest !== undefined && !refused.digests.includes(digest)
  )
}

/** What a row notes of `source` where it was refused, beside those that were refused `before`. */
export const refusedWith = (
  source: TokenSource,
  failure: Failure,
  before: Failure | undefined
): Effect.Effect<Refused | undefined> => {
  if (failure.tag !== "ClientRejected" || source.identity === undefined) return Effect.succeed(undefined)
  const refused = (before?.tag === "ClientRejected" ? before.refused : undefined) ?? { key: newKey(), digests: [] }
  return Effect.map(digestOf(source, refused.key), (digest) =>
    digest === undefined || refused.digests.includes(digest)
      ? refused
      : { key: refused.key, digests: [...refused.digests, digest].slice(0, MOST) }
  )
}

/** A part of the HMAC-SHA-256 of what the source is; none where it cannot say. */
const digestOf = ({ identity }: TokenSource, key: string): Effect.Effect<string | undefined> =>
  identity === undefined
    ? Effect.succeed(undefined)
    : Effect.flatMap(identity, (text) => Effect.tryPromise(() => hmac(key, `${Redacted.value(text)}`))).pipe(
        within("5 seconds", () => "late" as const),
        Effect.sandbox,
        Effect.option,
        Effect.map(Option.getOrUndefined)
      )

const hmac = async (key: string, text: string): Promise<string> => {
  const { subtle } = globalThis.crypto
  const encoder = new TextEncoder()
  const secret = await subtle.importKey("raw", encoder.encode(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
  const whole = new Uint8Array(await subtle.sign("HMAC", secret, encoder.encode(text)))
  // Long enough to tell sources apart, too short to tell one secret from all others that it might be.
  return Encoding.encodeBase64Url(whole.slice(0, 4))
}

const newKey = () => Encoding.encodeBase64Url(globalThis.crypto.getRandomValues(new Uint8Array(16)))

const MOST = 8
