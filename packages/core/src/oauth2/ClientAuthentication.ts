// Longer than 200 lines: the ways of one proof, which fall back on each other.

import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import { type Checks, effect, kind, nested, oneOf, text } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import type { SourceError } from "../model/TokenSource.js"
import { importKey, type PrivateKeyOptions, privateKeyChecks, randomId, sign } from "../transport/SigningKey.js"
import type { AssertionClock } from "./AssertionClock.js"
import { library } from "./OAuth2Request.js"

/** Who asks, and how it proves that. */
export interface ClientOptions {
  readonly clientId: string
  /**
   * The client's secret. As an Effect it is read anew for each request, so that a vault's rotation needs no new source.
   * Of a list the first is shown; where the server answers `invalid_client`, the next one within the same attempt, and
   * from then on that one.
   */
  readonly clientSecret?: ClientSecret | undefined
  /**
   * How a secret is shown to the token endpoint; it is never found out by trying.
   * - `"basic"`: an `Authorization` header, each part form-encoded as RFC 6749 section 2.3.1 asks
   * - `"basicRaw"`: the same without the encoding, for servers that do not decode it
   * - `"post"`: `client_secret` in the body
   * - `"none"`: `client_id` alone, for a public client
   *
   * Where it is given, a secret may be empty.
   * @default "basic" with a secret, else "none"
   */
  readonly clientAuthentication?: "basic" | "basicRaw" | "post" | "none" | undefined
  /** Proves the client by a signed assertion (RFC 7523 section 2.2) instead of a secret: a new one, with a new `jti`, for each attempt. */
  readonly privateKey?: ClientKeyOptions | undefined
  /**
   * An assertion that is made elsewhere (RFC 7521 section 4.2): the token of a workload that Kubernetes, SPIFFE or a CI
   * writes. Read anew for each request.
   */
  readonly clientAssertion?: Effect.Effect<Redacted.Redacted, SourceError> | undefined
  /** What kind of assertion that is. @default "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" */
  readonly clientAssertionType?: string | undefined
}

/** A secret, an Effect that reads it, or several of which one is right. */
export type ClientSecret =
  | Redacted.Redacted
  | Effect.Effect<Redacted.Redacted, SourceError>
  | ReadonlyArray<Redacted.Redacted>

/** The key of a client that has no secret. */
export interface ClientKeyOptions extends PrivateKeyOptions {
  /**
   * The `aud` of the assertion.
   * @default the issuer, else the token endpoint
   */
  readonly audience?: string | undefined
}

const SECRET = "Redacted.make of a secret that is not empty"
const PROOFS = ["clientSecret", "privateKey", "clientAssertion"] as const
const JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const isSecret = (value: unknown): boolean => Redacted.isRedacted(value) && Predicate.isString(Redacted.value(value))

/** What each option of a client has to be. */
export const clientChecks = {
  clientId: text("the id the authorization server knows the client by"),
  clientSecret: kind(
    `${SECRET}, an Effect that gives one, or a list of them`,
    (value) =>
      isSecret(value) || Effect.isEffect(value) || (Array.isArray(value) && value.length > 0 && value.every(isSecret))
  ),
  clientAuthentication: oneOf("basic", "basicRaw", "post", "none"),
  privateKey: nested({ ...privateKeyChecks, audience: text() } satisfies Checks<ClientKeyOptions>),
  clientAssertion: effect("an Effect that gives Redacted.make of an assertion"),
  clientAssertionType: text(`the kind of assertion, such as "${JWT}"`)
} satisfies Checks<ClientOptions>

/** How a client proves itself. */
export interface Authentication {
  /** Makes the proof of one request; each has its own. */
  readonly proof: Effect.Effect<Proof, SourceError | Cause.UnknownException>
  /** Goes on to the next secret after `invalid_client`; whether there is one. */
  readonly next: () => boolean
}

/** Puts a proof into a request, and the secrets in it that no error may repeat. */
export interface Proof {
  readonly prove: OAuth.ClientAuth
  readonly secrets: ReadonlyArray<string>
}

/** How the client of `options` proves itself, or the option that is wrong. */
export const makeAuthentication = (
  options: ClientOptions,
  audience: string,
  clock: AssertionClock
): Effect.Effect<Authentication, InvalidOption> =>
  Effect.gen(function* () {
    const {
      clientAssertion,
      clientAssertionType = JWT,
      clientAuthentication,
      clientId,
      clientSecret,
      privateKey
    } = options
    const [one, another] = PROOFS.filter((name) => options[name] !== undefined)
    if (one !== undefined && another !== undefined) {
      return yield* new InvalidOption({ option: another, expected: `no ${one} beside it` })
    }
    if (clientAuthentication !== undefined && one !== undefined && one !== "clientSecret") {
      return yield* new InvalidOption({ option: one, expected: "no clientAuthentication beside it" })
    }
    if (privateKey !== undefined) {
      const signed = yield* byAssertion(clientId, privateKey, audience, clock)
      // What cannot be signed shows here, and not at the first refresh.
      yield* Effect.mapError(
        signed,
        () => new InvalidOption({ option: "privateKey", expected: "a private key that may be used to sign" })
      )
      return only(Effect.map(signed, (assertion) => asserting(clientId, JWT, assertion)))
    }
    if (clientAssertion !== undefined) {
      return only(
        Effect.map(clientAssertion, (assertion) =>
          asserting(clientId, clientAssertionType, `${Redacted.value(assertion)}`)
        )
      )
    }
    const method = clientAuthentication ?? (clientSecret === undefined ? "none" : "basic")
    const oauth = yield* library
    if (method === "none") return only(Effect.succeed({ prove: oauth.None(), secrets: [] }))
    const wrong = new InvalidOption({ option: "clientSecret", expected: SECRET })
    if (clientSecret === undefined) return yield* wrong
    const show = { basic, basicRaw, post }[method]
    const shown = (secret: Redacted.Redacted): Proof => {
      const text = `${Redacted.value(secret)}`
      return { prove: show(text), secrets: [text] }
    }
    if (Effect.isEffect(clientSecret)) return only(Effect.map(clientSecret, shown))
    const secrets = Redacted.isRedacted(clientSecret) ? [clientSecret] : clientSecret
    const [first] = secrets
    if (first === undefined || (clientAuthentication === undefined && secrets.some(isEmpty))) return yield* wrong
    let at = 0
    return {
      proof: Effect.sync(() => shown(secrets[at] ?? first)),
      next: () => {
        at = (at + 1) % secrets.length
        return secrets.length > 1
      }
    }
  })

const isEmpty = (secret: Redacted.Redacted) => `${Redacted.value(secret)}` === ""

const only = (proof: Authentication["proof"]): Authentication => ({ proof, next: () => false })

/** Adds nothing: for grants that need no client. */
export const anonymous: Authentication = only(Effect.succeed({ prove: () => {}, secrets: [] }))

const byAssertion = Effect.fnUntraced(function* (
  clientId: string,
  options: ClientKeyOptions,
  issuer: string,
  clock: AssertionClock
) {
  const key = yield* importKey("privateKey", options)
  return Effect.flatMap(clock.now, (now) =>
    sign(
      key,
      {},
      {
        ...{ iss: clientId, sub: clientId, aud: options.audience ?? issuer },
        ...{ jti: randomId(), iat: now, nbf: now, exp: now + 60 }
      }
    )
  )
})

const asserting = (clientId: string, type: string, assertion: string): Proof => ({
  prove: (_server, _client, body) => {
    body.set("client_id", clientId)
    body.set("client_assertion_type", type)
    body.set("client_assertion", assertion)
  },
  secrets: [assertion]
})

/** Form-encoded; what RFC 3986 calls unreserved is left as it is, since there are servers that do not decode it. */
const basic = (secret: string) =>
  basicOf(
    (part) =>
      encodeURIComponent(part)
        .replace(/[!'()*]/g, percent)
        .replace(/%20/g, "+"),
    secret
  )

const basicRaw = (secret: string) => basicOf((part) => part, secret)

const basicOf =
  (encode: (part: string) => string, secret: string): OAuth.ClientAuth =>
  (_server, client, _body, headers) => {
    const credentials = `${encode(client.client_id)}:${encode(secret)}`
    headers.set("authorization", `Basic ${Encoding.encodeBase64(credentials)}`)
  }

const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`

const post =
  (secret: string): OAuth.ClientAuth =>
  (_server, client, body) => {
    body.set("client_id", client.client_id)
    body.set("client_secret", secret)
  }
