// oauth2/: Token sources: how tokens are asked for, by RFC 6749 and its kin.
// May import transport/ and model/.
// Must not know of rows, leases and providers.
// Longer than 200 lines: one function a grant, with its options beside it.

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { checkOptions, type DurationOption } from "../model/Options.js"
import { InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import { type SourceError, TokenSource, traitsOf } from "../model/TokenSource.js"
import { importKey, type PrivateKeyOptions, randomId, sign } from "../transport/SigningKey.js"
import type { AssertionClock } from "./AssertionClock.js"
import { credentialsChecks, jwtBearerChecks, refreshTokenChecks, tokenExchangeChecks } from "./GrantChecks.js"
import { JWT_BEARER, makeClient, type OAuth2Options, type RefreshOptions, scopeText } from "./OAuth2Client.js"

export type { PrivateKeyOptions } from "../transport/SigningKey.js"
export * from "./AuthorizationCode.js"
export type { ClientKeyOptions, ClientOptions } from "./ClientAuthentication.js"
export * from "./DeviceAuthorization.js"
export * from "./Discovery.js"
export type { OAuth2Options, RefreshOptions } from "./OAuth2Client.js"

/** A source, or the option that cannot work. Making it sends nothing. */
export type MadeSource<R = never> = Effect.Effect<TokenSource, InvalidOption, HttpClient.HttpClient | R>

/**
 * A client's own tokens, by its own credentials (RFC 6749 section 4.4). There is nothing to refresh: each renewal is a login.
 *
 * @example
 * ```ts
 * const source = OAuth2.clientCredentials({
 *   tokenEndpoint: "https://auth.example.com/token",
 *   clientId: "app",
 *   clientSecret: Redacted.make("…"),
 *   scope: "invoices:read"
 * })
 * ```
 */
export const clientCredentials = (options: OAuth2Options): MadeSource =>
  Effect.gen(function* () {
    yield* checkOptions(options, credentialsChecks)
    const { clientAuthentication, clientSecret, privateKey } = options
    if (clientSecret === undefined && "clientSecret" in options && !privateKey && clientAuthentication === undefined) {
      // Most often an environment variable that is not set.
      const expected = "Redacted.make of a secret that is not empty; for a client without one, leave it out"
      return yield* new InvalidOption({ option: "clientSecret", expected })
    }
    const client = yield* makeClient(options)
    const login = client.grant("client_credentials", { scope: scopeText(options.scope) })
    return yield* TokenSource.make({
      ...traitsOf(options),
      fenced: true,
      login: Effect.map(login, (tokens) => new TokenSet({ ...tokens, refreshToken: undefined })),
      revoke: client.revoke,
      identity: client.identity
    })
  })

/**
 * Tokens that a person once agreed to (RFC 6749 section 6). The first ones come from the app, by the provider's `put`.
 *
 * @example
 * ```ts
 * const source = OAuth2.refreshToken({
 *   tokenEndpoint: "https://auth.example.com/token",
 *   clientId: "app",
 *   clientSecret: Redacted.make("…")
 * })
 * const provider = yield* TokenProvider.make({ key: "alice", source })
 * yield* provider.put(TokenSet.make({ refreshToken: "the one that the login gave" }))
 * ```
 */
export const refreshToken = (options: RefreshOptions): MadeSource =>
  Effect.gen(function* () {
    yield* checkOptions(options, refreshTokenChecks)
    const { identity, refresh, revoke } = yield* makeClient(options)
    return yield* TokenSource.make({ ...traitsOf(options), fenced: true, identity, refresh, revoke })
  })

/**
 * Tokens for an assertion that somebody signed (RFC 7523 section 2.1): a service account's own key, or another server's JWT.
 *
 * @example
 * ```ts
 * const source = OAuth2.jwtBearer({
 *   tokenEndpoint: "https://oauth2.googleapis.com/token",
 *   issuedBy: "robot@project.iam.gserviceaccount.com",
 *   signingKey: { key: Redacted.make("-----BEGIN PRIVATE KEY-----…"), algorithm: "RS256", keyId: "2026-11" },
 *   claims: { scope: "https://www.googleapis.com/auth/drive.readonly" }
 * })
 * ```
 */
export const jwtBearer = <R = never>(options: JwtBearerOptions<R>): MadeSource<R> =>
  Effect.gen(function* () {
    yield* checkOptions(options, jwtBearerChecks)
    const client = yield* makeClient(options)
    const signed = options.assertion ?? (yield* makeSigned(options, client.clock))
    const parameters = Effect.map(signed, (assertion) => ({ assertion, scope: scopeText(options.scope) }))
    const login = client.grant(JWT_BEARER, parameters)
    return yield* TokenSource.make({
      ...traitsOf(options),
      fenced: true,
      login,
      refresh: client.refresh,
      revoke: client.revoke,
      identity: client.identity
    })
  })

/**
 * Tokens for another token (RFC 8693). The subject token is asked for anew at each login.
 *
 * @example
 * ```ts
 * const source = OAuth2.tokenExchange({
 *   tokenEndpoint: "https://auth.example.com/token",
 *   clientId: "billing",
 *   clientSecret: Redacted.make("…"),
 *   subjectToken: Effect.succeed(Redacted.make("the token of who called us")),
 *   scope: "ledger:read"
 * })
 * ```
 */
export const tokenExchange = <R = never>(options: TokenExchangeOptions<R>): MadeSource<R> =>
  Effect.gen(function* () {
    yield* checkOptions(options, tokenExchangeChecks)
    const client = yield* makeClient(options)
    const { actorToken = Effect.succeed(undefined), subjectToken } = options
    const login = Effect.flatMap(Effect.zip(subjectToken, actorToken), ([subject, actor]) =>
      client.grant("urn:ietf:params:oauth:grant-type:token-exchange", {
        subject_token: subject,
        subject_token_type: tokenType(options.subjectTokenType),
        actor_token: actor,
        actor_token_type: actor === undefined ? undefined : tokenType(options.actorTokenType),
        requested_token_type: options.requestedTokenType,
        scope: scopeText(options.scope)
      })
    )
    return yield* TokenSource.make({
      ...traitsOf(options),
      fenced: true,
      login,
      refresh: client.refresh,
      revoke: client.revoke,
      identity: client.identity
    })
  })

/** What `jwtBearer` takes: an assertion, or the key to sign one with. */
export interface JwtBearerOptions<R = never> extends Anonymous {
  /** An assertion that comes from elsewhere, asked for at each login. */
  readonly assertion?: Effect.Effect<Redacted.Redacted, SourceError, R> | undefined
  /** The key that signs a new assertion for each attempt. */
  readonly signingKey?: PrivateKeyOptions | undefined
  /** Who signs: the `iss` claim. @default `clientId` */
  readonly issuedBy?: string | undefined
  /** For whom the token is: the `sub` claim. @default `issuedBy` */
  readonly subject?: string | undefined
  /** The `aud` claim. @default the issuer, else the token endpoint */
  readonly assertionAudience?: string | undefined
  /** More claims of the assertion: Google wants `scope` here. */
  readonly claims?: Readonly<Record<string, string>> | undefined
  /** How long an assertion is good for. @default "5 minutes" */
  readonly assertionLifetime?: DurationOption | undefined
}

/** What `tokenExchange` takes. */
export interface TokenExchangeOptions<R = never> extends Anonymous {
  readonly subjectToken: Effect.Effect<Redacted.Redacted, SourceError, R>
  /** A token type identifier (RFC 8693 section 3). @default "urn:ietf:params:oauth:token-type:access_token" */
  readonly subjectTokenType?: string | undefined
  /** Who acts for the subject. */
  readonly actorToken?: Effect.Effect<Redacted.Redacted, SourceError, R> | undefined
  /** @default "urn:ietf:params:oauth:token-type:access_token" */
  readonly actorTokenType?: string | undefined
  readonly requestedTokenType?: string | undefined
}

/** Grants whose own token may be proof enough: without a `clientId` no client is named. */
export interface Anonymous extends Omit<RefreshOptions, "clientId"> {
  readonly clientId?: string | undefined
}

const tokenType = (type = "urn:ietf:params:oauth:token-type:access_token") => type

const makeSigned = Effect.fnUntraced(function* (options: Omit<JwtBearerOptions, "assertion">, clock: AssertionClock) {
  const issuedBy = options.issuedBy ?? options.clientId
  if (options.signingKey === undefined) {
    return yield* new InvalidOption({ option: "signingKey", expected: "a private key, or an assertion instead" })
  }
  if (issuedBy === undefined)
    return yield* new InvalidOption({ option: "issuedBy", expected: "who signs the assertion" })
  const key = yield* importKey("signingKey", options.signingKey)
  const lifetime = Duration.toSeconds(options.assertionLifetime ?? "5 minutes")
  const fixed = {
    iss: issuedBy,
    sub: options.subject ?? issuedBy,
    aud: options.assertionAudience ?? options.issuer ?? options.tokenEndpoint
  }
  return Effect.gen(function* () {
    const now = yield* clock.now
    const unique = { jti: randomId(), iat: now, exp: now + Math.ceil(lifetime) }
    return Redacted.make(yield* sign(key, {}, { ...fixed, ...options.claims, ...unique }))
  }).pipe(
    Effect.mapError(
      () => new TokenEndpointError({ reason: "unreachable", detail: "the assertion could not be signed" })
    )
  )
})
