import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { checkOptions } from "../model/Options.js"
import { type InvalidOption, TokenEndpointError } from "../model/TokenError.js"
import type { TokenSet, TokenSetOptions } from "../model/TokenSet.js"
import { isSourceError, TokenSource, type TraitOptions, traitsOf } from "../model/TokenSource.js"
import { makeAssertionClock } from "./AssertionClock.js"
import { anonymous, type ClientOptions, makeAuthentication } from "./ClientAuthentication.js"
import { type Built, type EndpointRequest, endpointChecks, makeBuild, valuesOf } from "./EndpointRequest.js"
import { accept, codeOf } from "./ErrorResponse.js"
import { identityOf } from "./SourceIdentity.js"
import { makeSend } from "./TokenEndpointClient.js"
import { type AnswerOptions, parsing, readAnswer, readFields } from "./TokenResponse.js"

export type { EndpointRequest } from "./EndpointRequest.js"
export { type ErrorOptions, failsUnless, type Meaning } from "./ErrorResponse.js"
export { accessToken, type Field, once, refreshToken, text } from "./Field.js"
export type { AnswerFields, AnswerOptions } from "./TokenResponse.js"

/** What `TokenEndpoint.make` takes. Without a `clientId`, no client is named: the requests themselves say who asks. */
export interface TokenEndpointOptions<A extends TokenSetOptions = TokenSetOptions, I = unknown>
  extends Partial<ClientOptions>,
    AnswerOptions,
    TraitOptions {
  /** Gets tokens from nothing. */
  readonly login?: EndpointRequest | undefined
  /** Gets newer tokens from the current ones. */
  readonly refresh?: EndpointRequest | undefined
  /** Tells the server that tokens are no longer wanted. */
  readonly revoke?: EndpointRequest | undefined
  /** Reads the answer, where `fields` cannot. Where it gives no lifetime, `expiry` does. */
  readonly schema?: Schema.Schema<A, I> | undefined
  /**
   * Whether a refresh may answer without a token, because the current one goes on living.
   * @default false
   */
  readonly extendsAccessToken?: boolean | undefined
}

/**
 * A source for endpoints that are not quite standard: what to send and how to read the answer, declared as data.
 *
 * @example
 * ```ts
 * const source = TokenEndpoint.make({
 *   login: {
 *     url: "https://api.example.com/session",
 *     json: { user: "robot", password: Redacted.make("…") }
 *   },
 *   fields: { accessToken: "data.token" },
 *   expiry: Expiry.epochMillis("data.validUntil")
 * })
 * ```
 */
export const make = <A extends TokenSetOptions, I>(
  options: TokenEndpointOptions<A, I>
): Effect.Effect<TokenSource, InvalidOption, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    yield* checkOptions(options, endpointChecks)
    const { clientId } = options
    const send = parsing(yield* makeSend, options)
    const where = (options.refresh ?? options.login)?.url ?? ""
    const clock = makeAssertionClock()
    const authentication =
      clientId === undefined ? anonymous : yield* makeAuthentication({ ...options, clientId }, where, clock)
    const read = reader(options)

    const askOnce = Effect.fnUntraced(function* ({ build, request: declared }: Built, current?: TokenSet) {
      const values = yield* valuesOf(declared, current)
      const form = new URLSearchParams()
      const headers = new Headers()
      const request = yield* Effect.flatMap(authentication.proof, ({ prove }) =>
        Effect.tryPromise(async () => {
          await prove({ issuer: where }, { client_id: clientId ?? "" }, form, headers)
          return build({ form, headers }, values)
        })
      ).pipe(
        Effect.mapError((error) =>
          isSourceError(error)
            ? error
            : new TokenEndpointError({ reason: "unreachable", detail: "the request could not be built" })
        )
      )
      const proof = [...form.values(), headers.get("authorization")?.replace(/^Basic /, "") ?? ""]
      return yield* send({ ...request, secrets: [...request.secrets, ...proof.filter((text) => text !== clientId)] })
    })

    /** Once more with another secret, or by the server's clock, where the client's proof was refused. */
    const ask = (build: Built, current?: TokenSet) =>
      Effect.flatMap(askOnce(build, current), (first) => {
        const isRefused = codeOf(first, options) === "invalid_client"
        const isEarly = isRefused && options.privateKey !== undefined && clock.follow(first)
        return isEarly || (isRefused && authentication.next()) ? askOnce(build, current) : Effect.succeed(first)
      })

    const login = options.login === undefined ? undefined : yield* makeBuild("login", options.login)
    const refresh = options.refresh === undefined ? undefined : yield* makeBuild("refresh", options.refresh)
    const revoke = options.revoke === undefined ? undefined : yield* makeBuild("revoke", options.revoke)
    return yield* TokenSource.make({
      ...traitsOf(options),
      fenced: true,
      identity: identityOf(options, options.clientSecret),
      login:
        login === undefined ? undefined : Effect.flatMap(ask(login), (answer) => readAnswer(answer, options, read())),
      refresh:
        refresh === undefined
          ? undefined
          : (current) => Effect.flatMap(ask(refresh, current), (answer) => readAnswer(answer, options, read(current))),
      revoke:
        revoke === undefined
          ? undefined
          : (tokens) => Effect.flatMap(ask(revoke, tokens), (answer) => accept(answer, options))
    })
  })

/** How the declared options read an answer that came for `current`. */
const reader = <A extends TokenSetOptions, I>(options: TokenEndpointOptions<A, I>) => {
  const { extendsAccessToken = false, schema } = options
  const fields = readFields(options)
  const decode = schema === undefined ? undefined : Schema.decodeUnknownOption(schema)
  return (current?: TokenSet) =>
    (answer: unknown, body: unknown): TokenSetOptions | undefined => {
      const named = fields(answer)
      const tokens = decode === undefined ? named : Option.getOrUndefined(Option.map(decode(body), known))
      const { expiresAt, expiresIn } =
        tokens?.expiresIn === undefined && tokens?.expiresAt === undefined ? named : tokens
      if ((tokens?.accessToken ?? "") !== "" || !extendsAccessToken || current === undefined) {
        return tokens === undefined ? undefined : { ...tokens, expiresAt, expiresIn }
      }
      return { ...tokens, accessToken: current.accessToken, tokenType: current.tokenType, expiresAt, expiresIn }
    }
}

/** The options of a token set, without what else a schema may read. */
const known = (given: TokenSetOptions): TokenSetOptions => {
  const { accessToken, expiresAt, expiresIn, extra, obtainedAt, proofKey, refreshToken, scopes, tokenType } = given
  const { refreshTokenEndSetAt, refreshTokenExpiresAt, refreshTokenExpiresIn } = given
  return {
    ...{ accessToken, expiresAt, expiresIn, extra, obtainedAt, proofKey, refreshToken, scopes, tokenType },
    ...{ refreshTokenEndSetAt, refreshTokenExpiresAt, refreshTokenExpiresIn }
  }
}
