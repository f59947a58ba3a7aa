import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { CryptoKey, JWTPayload } from "jose"
import { type Checks, kind, required, text as words } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"

/** A private key to sign with, and what to say about it. */
export interface PrivateKeyOptions {
  /** PKCS#8 PEM, a JWK as JSON, or a key that the platform keeps. */
  readonly key: Redacted.Redacted | CryptoKey
  /**
   * The algorithm, such as `ES256` (RFC 7518 section 3.1).
   * @default what the JWK says, else `RS256`
   */
  readonly algorithm?: string | undefined
  /**
   * The `kid` that the authorization server knows the key by.
   * @default the JWK's own
   */
  readonly keyId?: string | undefined
}

/** What each part of a private key has to be. */
export const privateKeyChecks = {
  key: required(
    kind(
      "Redacted.make of PKCS#8 PEM or of a JWK as JSON, or a CryptoKey",
      (value) => Redacted.isRedacted(value) || Predicate.hasProperty(value, "algorithm")
    )
  ),
  algorithm: words('an algorithm, such as "ES256"'),
  keyId: words()
} satisfies Checks<PrivateKeyOptions>

/** A private key, ready to sign. */
export interface SigningKey {
  readonly key: CryptoKey
  readonly algorithm: string
  readonly keyId: string | undefined
  /** The public half, where the key came as a JWK. */
  readonly publicJwk: Readonly<Record<string, string>> | undefined
}

/** Reads a private key, or tells which option holds none. */
export const importKey = (option: string, options: PrivateKeyOptions): Effect.Effect<SigningKey, InvalidOption> =>
  Effect.gen(function* () {
    const { key, keyId } = options
    const text = Redacted.isRedacted(key) ? `${Redacted.value(key)}` : ""
    const jwk = Option.getOrUndefined(decodeJwk(text))
    const algorithm =
      options.algorithm ?? jwk?.alg ?? CURVES[jwk?.crv ?? ""] ?? (Redacted.isRedacted(key) ? "RS256" : algorithmOf(key))
    const expected = `a private key for ${algorithm}: PKCS#8 PEM, a JWK as JSON, or a CryptoKey`
    if (!Redacted.isRedacted(key)) return { key, algorithm, keyId, publicJwk: undefined }
    const imported = yield* Effect.tryPromise({
      try: async () => {
        const { importJWK, importPKCS8 } = await import("jose")
        if (jwk === undefined) return importPKCS8(text.replaceAll("\\n", "\n").trim(), algorithm)
        const read = await importJWK(jwk, algorithm)
        return read instanceof Uint8Array ? Promise.reject() : read
      },
      catch: () => new InvalidOption({ option, expected })
    })
    const publicJwk =
      jwk === undefined ? undefined : Object.fromEntries(PUBLIC.flatMap((name) => entry(name, jwk[name])))
    return { key: imported, algorithm, keyId: keyId ?? jwk?.kid, publicJwk }
  })

/** Makes a new private key for DPoP proofs: an ES256 JWK as JSON. */
export const generateKey: Effect.Effect<Redacted.Redacted, Cause.UnknownException> = Effect.tryPromise(async () => {
  const { exportJWK, generateKeyPair } = await import("jose")
  const { privateKey } = await generateKeyPair("ES256", { extractable: true })
  return Redacted.make(JSON.stringify(await exportJWK(privateKey)))
})

/** Signs a JWT (RFC 7515). What is undefined is left out. */
export const sign = (
  { algorithm, key, keyId }: Pick<SigningKey, "algorithm" | "keyId"> & { readonly key: CryptoKey | Uint8Array },
  header: Readonly<Record<string, unknown>>,
  claims: JWTPayload
): Effect.Effect<string, Cause.UnknownException> =>
  Effect.tryPromise(async () => {
    const { SignJWT } = await import("jose")
    const full: { alg: string; [name: string]: unknown } = { alg: algorithm, kid: keyId, ...header }
    return new SignJWT(claims).setProtectedHeader(full).sign(key)
  })

/** A text of 256 random bits that nobody guesses: a `jti`, a `state`, a PKCE code verifier. */
export const randomId = (): string => Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))

/** The SHA-256 of a text as base64url: the `ath` of a DPoP proof, the challenge of a PKCE code verifier. */
export const sha256 = (text: string): Effect.Effect<string, Cause.UnknownException> =>
  Effect.tryPromise(async () =>
    Encoding.encodeBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))))
  )

const text = Schema.optionalWith(Schema.String, { exact: true })
const decodeJwk = Schema.decodeUnknownOption(
  Schema.parseJson(
    Schema.Struct({
      kty: Schema.String,
      d: Schema.String,
      ...{ crv: text, x: text, y: text, n: text, e: text, p: text, q: text, dp: text, dq: text, qi: text },
      ...{ alg: text, kid: text }
    })
  )
)
const PUBLIC = ["kty", "crv", "x", "y", "n", "e"] as const
const CURVES: Readonly<Record<string, string>> = {
  "P-256": "ES256",
  "P-384": "ES384",
  "P-521": "ES512",
  Ed25519: "EdDSA"
}

const entry = (name: string, value: string | undefined): ReadonlyArray<readonly [string, string]> =>
  value === undefined ? [] : [[name, value]]

/** The algorithm that a key of the platform is for (RFC 7518 section 3.1). */
const algorithmOf = ({ algorithm }: CryptoKey): string => {
  const { hash, name, namedCurve }: { name: string; namedCurve?: string; hash?: { name: string } } = algorithm
  const size = hash?.name.replace("SHA-", "") ?? "256"
  return CURVES[namedCurve ?? name] ?? (name === "RSA-PSS" ? `PS${size}` : `RS${size}`)
}
