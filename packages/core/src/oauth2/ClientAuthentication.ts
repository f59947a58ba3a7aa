import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import { type Checks, nested, oneOf, secret, text } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import { importKey, type PrivateKeyOptions, privateKeyChecks, randomId, sign } from "../transport/SigningKey.js"
import type { AssertionClock } from "./AssertionClock.js"
import { library } from "./OAuth2Request.js"

/** Who asks, and how it proves that. */
export interface ClientOptions {
  readonly clientId: string
  readonly clientSecret?: Redacted.Redacted | undefined
  /**
   * How a secret is shown to the token endpoint; it is never found out by trying.
   * - `"basic"`: an `Authorization` header, each part form-encoded as RFC 6749 section 2.3.1 asks
   * - `"basicRaw"`: the same without the encoding, for servers that do not decode it
   * - `"post"`: `client_secret` in the body
   * - `"none"`: `client_id` alone, for a public client
   * @default "basic" with a secret, else "none"
   */
  readonly clientAuthentication?: "basic" | "basicRaw" | "post" | "none" | undefined
  /** Proves the client by a signed assertion (RFC 7523 section 2.2) instead of a secret: a new one, with a new `jti`, for each attempt. */
  readonly privateKey?: ClientKeyOptions | undefined
}

/** The key of a client that has no secret. */
export interface ClientKeyOptions extends PrivateKeyOptions {
  /**
   * The `aud` of the assertion.
   * @default the issuer, else the token endpoint
   */
  readonly audience?: string | undefined
}

const SECRET = "Redacted.make of a secret that is not empty"

/** What each option of a client has to be. */
export const clientChecks = {
  clientId: text("the id the authorization server knows the client by"),
  clientSecret: secret(SECRET),
  clientAuthentication: oneOf("basic", "basicRaw", "post", "none"),
  privateKey: nested({ ...privateKeyChecks, audience: text() } satisfies Checks<ClientKeyOptions>)
} satisfies Checks<ClientOptions>

/** Makes the proof of one attempt; each attempt has its own. */
export type Authenticate = Effect.Effect<OAuth.ClientAuth, Cause.UnknownException>

/** How the client of `options` proves itself, or the option that is wrong. */
export const makeAuthentication = (
  options: ClientOptions,
  audience: string,
  clock: AssertionClock
): Effect.Effect<Authenticate, InvalidOption> =>
  Effect.gen(function* () {
    const { clientAuthentication, clientId, clientSecret, privateKey } = options
    if (privateKey !== undefined) {
      if (clientSecret !== undefined || clientAuthentication !== undefined) {
        return yield* new InvalidOption({
          option: "privateKey",
          expected: "no clientSecret or clientAuthentication beside it"
        })
      }
      return yield* byAssertion(clientId, privateKey, audience, clock)
    }
    const method = clientAuthentication ?? (clientSecret === undefined ? "none" : "basic")
    const oauth = yield* library
    if (method === "none") return Effect.succeed(oauth.None())
    const prove = { basic: oauth.ClientSecretBasic, post: oauth.ClientSecretPost, basicRaw }[method]
    if (clientSecret === undefined) return yield* new InvalidOption({ option: "clientSecret", expected: SECRET })
    return Effect.sync(() => prove(`${Redacted.value(clientSecret)}`))
  })

/** Adds nothing: for grants that need no client. */
export const anonymous: Authenticate = Effect.succeed(() => {})

const byAssertion = Effect.fnUntraced(function* (
  clientId: string,
  options: ClientKeyOptions,
  issuer: string,
  clock: AssertionClock
) {
  const key = yield* importKey("privateKey", options)
  return Effect.gen(function* () {
    const now = yield* clock.now
    const assertion = yield* sign(
      key,
      {},
      {
        ...{ iss: clientId, sub: clientId, aud: options.audience ?? issuer },
        ...{ jti: randomId(), iat: now, nbf: now, exp: now + 60 }
      }
    )
    const prove: OAuth.ClientAuth = (_server, _client, body) => {
      body.set("client_id", clientId)
      body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
      body.set("client_assertion", assertion)
    }
    return prove
  })
})

const basicRaw =
  (secret: string): OAuth.ClientAuth =>
  (_server, client, _body, headers) => {
    headers.set("authorization", `Basic ${Encoding.encodeBase64(`${client.client_id}:${secret}`)}`)
  }
