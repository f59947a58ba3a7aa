import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import { GrantRejected, InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import { isSourceError, type SourceError, type TraitOptions } from "../model/TokenSource.js"
import * as Dpop from "../transport/DpopProof.js"
import { generateKey } from "../transport/SigningKey.js"
import { type AssertionClock, makeAssertionClock } from "./AssertionClock.js"
import { anonymous, type ClientOptions, makeAuthentication, type Proof } from "./ClientAuthentication.js"
import { accept, codeOf } from "./ErrorResponse.js"
import { buildRequest, type Kind, type Parameters, revocationRequest, tokenRequest } from "./OAuth2Request.js"
import { identityOf } from "./SourceIdentity.js"
import { type Answer, endpointOption, makeSend } from "./TokenEndpointClient.js"
import { type AnswerOptions, parsing, readAnswer, readFields } from "./TokenResponse.js"

/** What every grant of `OAuth2` takes. */
export interface OAuth2Options extends ClientOptions, AnswerOptions, TraitOptions {
  /** Where tokens are asked for: `https`, or `http` on the loopback. */
  readonly tokenEndpoint: string
  /** Where tokens are ended (RFC 7009). With it, `forget` revokes what it removed. */
  readonly revocationEndpoint?: string | undefined
  /** The issuer identifier, as `OAuth2.discover` gives it. */
  readonly issuer?: string | undefined
  /** The scopes to ask for. */
  readonly scope?: string | ReadonlyArray<string> | undefined
  /** More form fields for the token request: `audience`, `resource`. */
  readonly parameters?: Readonly<Record<string, Parameter>> | undefined
  /** More headers for the token request. */
  readonly headers?: Readonly<Record<string, Parameter>> | undefined
  /**
   * Binds tokens to a key of their own (DPoP, RFC 9449), made at the first request and kept with them.
   * @default false
   */
  readonly dpop?: boolean | undefined
}

/** A text, a secret, or an Effect that gives one for each request. */
export type Parameter = string | Redacted.Redacted | Effect.Effect<string | Redacted.Redacted, SourceError>

/** What the grants take that give refresh tokens. */
export interface RefreshOptions extends OAuth2Options {
  /**
   * What a refresh says about scopes: nothing, the ones that were granted, or `scope` as given here.
   * @default "omit"
   */
  readonly scopeOnRefresh?: "omit" | "original" | "explicit" | undefined
}

/** A client at one authorization server. */
export interface OAuth2Client {
  /**
   * Asks for tokens, once; with `proofKey`, for tokens bound to that key. What the server refuses for want of a nonce,
   * or since our clock is ahead of its own, is asked once more with what it said.
   */
  readonly grant: <R = never>(
    grantType: string,
    parameters: Parameters | Effect.Effect<Parameters, SourceError, R>,
    proofKey?: Redacted.Redacted
  ) => Effect.Effect<TokenSet, SourceError, R>
  /** The time to sign assertions with. */
  readonly clock: AssertionClock
  /** Asks for newer tokens. */
  readonly refresh: (current: TokenSet) => Effect.Effect<TokenSet, SourceError>
  /** Ends the grant behind these tokens, or the access token where there is no more to end; undefined without an endpoint. */
  readonly revoke: ((tokens: TokenSet) => Effect.Effect<void, SourceError>) | undefined
  /** What all its requests depend on. */
  readonly identity: Effect.Effect<Redacted.Redacted, SourceError>
  /** Any request as this client. */
  readonly ask: (kind: Kind, parameters: Parameters) => Effect.Effect<Answer, SourceError>
}

/** A client of options that were checked. Takes the `HttpClient`. Without a `clientId` it asks as nobody. */
export const makeClient = Effect.fnUntraced(function* (
  options: Omit<RefreshOptions, "clientId"> & { readonly clientId?: string | undefined },
  endpoints: Partial<OAuth.AuthorizationServer> = {}
) {
  const { dpop = false, scope, scopeOnRefresh = "omit" } = options
  const url = yield* endpointOption("tokenEndpoint", options.tokenEndpoint)
  const revocation = options.revocationEndpoint
  if (scopeOnRefresh === "explicit" && scope === undefined) {
    return yield* new InvalidOption({
      option: "scope",
      expected: 'the scopes to ask for: scopeOnRefresh is "explicit"'
    })
  }
  const { clientId } = options
  const issuer = options.issuer ?? url.href
  const clock = makeAssertionClock()
  const authentication =
    clientId === undefined ? anonymous : yield* makeAuthentication({ ...options, clientId }, issuer, clock)
  const server = {
    ...endpoints,
    issuer,
    token_endpoint: url.href,
    ...(revocation === undefined ? {} : { revocation_endpoint: revocation })
  }
  const send = parsing(yield* makeSend, options)
  const read = readFields(options)
  let nonce: string | undefined

  const build = (kind: Kind, parameters: Parameters, headers: Parameters, { prove, secrets }: Proof) =>
    buildRequest(kind, {
      ...{ server, clientId: clientId ?? "nobody", parameters, headers },
      ...{ authentication: prove, secrets }
    })

  // What cannot be sent shows here, and not at the first refresh.
  yield* Effect.mapError(
    Effect.flatMap(anonymous.proof, (proof) =>
      build(tokenRequest("client_credentials"), {}, Record.filter(options.headers ?? {}, isMade), proof)
    ),
    () => new InvalidOption({ option: "headers", expected: "HTTP headers, authorization not among them" })
  )

  const ask = Effect.fnUntraced(function* (kind: Kind, parameters: Parameters, proofKey?: Redacted.Redacted) {
    const headers = yield* made(options.headers)
    const request = yield* Effect.flatMap(authentication.proof, (proof) =>
      build(kind, parameters, headers, proof)
    ).pipe(Effect.mapError((error) => (isSourceError(error) ? error : unbuilt("the request could not be signed"))))
    if (proofKey === undefined) return yield* send(request)
    const { method, url } = request
    const proof = yield* Effect.mapError(Dpop.proof(proofKey, { method, url, nonce }), () =>
      unbuilt("the proof key cannot sign")
    )
    const answer = yield* send({ ...request, headers: { ...request.headers, dpop: proof } })
    nonce = answer.headers["dpop-nonce"] ?? nonce
    return answer
  })

  const grant: OAuth2Client["grant"] = Effect.fnUntraced(function* (grantType, given, bound) {
    const proofKey = dpop
      ? (bound ?? (yield* Effect.mapError(generateKey, () => unbuilt("no proof key could be made"))))
      : bound
    const attempt = Effect.flatMap(
      Effect.all([made(options.parameters), Effect.isEffect(given) ? given : Effect.succeed(given)]),
      ([more, own]) => ask(tokenRequest(grantType), { ...more, ...own }, proofKey)
    )
    const known = nonce
    const first = yield* attempt
    const code = codeOf(first, options)
    const isEarly = code !== undefined && signed(grantType, options)?.includes(code) === true && clock.follow(first)
    const isOld = code === "invalid_client" && !isEarly && authentication.next()
    const answer = isEarly || isOld || (code === "use_dpop_nonce" && nonce !== known) ? yield* attempt : first
    const tokens = yield* readAnswer(answer, options, read)
    return proofKey === undefined ? tokens : new TokenSet({ ...tokens, proofKey })
  })

  const client: OAuth2Client = {
    ask,
    clock,
    identity: identityOf(options, options.clientSecret),
    grant,
    refresh: ({ proofKey, refreshToken, scopes }) => {
      if (refreshToken === undefined) return new GrantRejected({ code: "no_refresh_token" })
      const asked = { omit: undefined, original: scopes, explicit: scope }[scopeOnRefresh]
      return grant("refresh_token", { refresh_token: refreshToken, scope: scopeText(asked) }, proofKey)
    },
    revoke:
      revocation === undefined
        ? undefined
        : Effect.fnUntraced(function* ({ accessToken, refreshToken }) {
            const hint = refreshToken === undefined ? "access_token" : "refresh_token"
            const answer = yield* ask(revocationRequest, { token: refreshToken ?? accessToken, token_type_hint: hint })
            yield* accept(answer, options)
          })
  }
  return client
})

const isMade = (value: Parameter): value is string | Redacted.Redacted => !Effect.isEffect(value)

/** What the values are that are Effects. */
export const made = (values: Readonly<Record<string, Parameter>> = {}): Effect.Effect<Parameters, SourceError> =>
  Effect.all(Record.map(values, (value) => (isMade(value) ? Effect.succeed(value) : value)))

/** Scopes as the wire has them. */
export const scopeText = (scope: string | ReadonlyArray<string> | undefined): string | undefined =>
  scope === undefined || Predicate.isString(scope) ? scope : scope.join(" ")

/** The codes by which an assertion that we sign may be refused for its time: of the client (RFC 7523 section 3.2), or of the grant (3.1). */
const signed = (
  grantType: string,
  { privateKey }: Pick<OAuth2Options, "privateKey">
): ReadonlyArray<string> | undefined =>
  grantType === JWT_BEARER ? ["invalid_grant", "invalid_client"] : privateKey && ["invalid_client"]

/** The grant type of RFC 7523 section 2.1. */
export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

const unbuilt = (detail: string) => new TokenEndpointError({ reason: "unreachable", detail })
