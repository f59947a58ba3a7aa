import { type Cause, Effect, Either, Encoding, Option, Predicate, Redacted, Schema } from "effect"
import * as OAuth from "oauth4webapi"
import { type Checks, kind, required, text as words } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"

/** A private key to sign with, and what to say about it. */
export interface PrivateKeyOptions {
  /** PKCS#8 PEM, a JWK as JSON, or a key that the platform keeps. */
  readonly key: Redacted.Redacted | OAuth.CryptoKey
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
  readonly key: OAuth.CryptoKey
  readonly algorithm: string | undefined
  readonly keyId: string | undefined
  /** The public half, where the key came as a JWK. */
  readonly publicJwk: Readonly<Record<string, string>> | undefined
}

/** Reads a private key, or tells which option holds none. */
export const importKey = (option: string, options: PrivateKeyOptions): Effect.Effect<SigningKey, InvalidOption> =>
  Effect.gen(function* () {
    const { algorithm, key, keyId } = options
    if (!Redacted.isRedacted(key)) return { key, algorithm, keyId, publicJwk: undefined }
    const text = `${Redacted.value(key)}`
    const jwk = Option.getOrUndefined(decodeJwk(text))
    const alg = algorithm ?? jwk?.alg ?? CURVES[jwk?.crv ?? ""] ?? "RS256"
    const expected = `a private key for ${alg}: PKCS#8 PEM, a JWK as JSON, or a CryptoKey`
    const imported = yield* Effect.tryPromise({
      try: () =>
        jwk === undefined
          ? crypto.subtle.importKey("pkcs8", derOf(text), parameters(alg), false, ["sign"])
          : crypto.subtle.importKey("jwk", jwk, parameters(alg), false, ["sign"]),
      catch: () => new InvalidOption({ option, expected })
    })
    const publicJwk =
      jwk === undefined ? undefined : Object.fromEntries(PUBLIC.flatMap((name) => entry(name, jwk[name])))
    return { key: imported, algorithm: alg, keyId: keyId ?? jwk?.kid, publicJwk }
  })

/** Makes a new private key for DPoP proofs: an ES256 JWK as JSON. */
export const generateKey: Effect.Effect<Redacted.Redacted, Cause.UnknownException> = Effect.tryPromise(async () => {
  const { privateKey } = await crypto.subtle.generateKey(parameters("ES256"), true, ["sign", "verify"])
  const { crv, d, kty, x, y } = await crypto.subtle.exportKey("jwk", privateKey)
  return Redacted.make(JSON.stringify({ kty, crv, x, y, d }))
})

/** Signs a JWT (RFC 7515). What is undefined is left out. */
export const sign = (
  { algorithm, key, keyId }: SigningKey,
  header: Readonly<Record<string, OAuth.JsonValue | undefined>>,
  claims: Readonly<Record<string, OAuth.JsonValue | undefined>>
): Effect.Effect<string, Cause.UnknownException> =>
  // oauth4webapi signs client assertions; letting it sign ours instead of its own saves a second library.
  Effect.tryPromise(async () => {
    const form = new URLSearchParams()
    const assertion = OAuth.PrivateKeyJwt(key, {
      [OAuth.modifyAssertion]: (itsHeader, itsClaims) => {
        Object.assign(itsHeader, algorithm === undefined ? {} : { alg: algorithm }, { kid: keyId }, header)
        for (const name of Object.keys(itsClaims)) delete itsClaims[name]
        Object.assign(itsClaims, claims)
      }
    })
    await assertion({ issuer: "" }, { client_id: "" }, form, new Headers())
    return form.get("client_assertion") ?? ""
  })

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

const derOf = (pem: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Either.getOrThrow(Encoding.decodeBase64(pem.replace(/-----[A-Z ]+-----|\\n|\s/g, ""))))

const parameters = (alg: string): EcKeyImportParams & RsaHashedImportParams => {
  const size = alg.slice(2)
  const name = { ES: "ECDSA", RS: "RSASSA-PKCS1-v1_5", PS: "RSA-PSS", Ed: "Ed25519" }[alg.slice(0, 2)] ?? alg
  return { name, namedCurve: size === "512" ? "P-521" : `P-${size}`, hash: `SHA-${size}` }
}
