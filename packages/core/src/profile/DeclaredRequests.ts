import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { InvalidOption } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import type { SourceError } from "../model/TokenSource.js"
import type { AuthorizationCode } from "../oauth2/AuthorizationCode.js"
import { makeAuthorizationRequest } from "../oauth2/AuthorizationRequest.js"
import type { EndpointRequest } from "../oauth2/EndpointRequest.js"
import { valueOf } from "../oauth2/Field.js"
import * as TokenEndpoint from "../oauth2/TokenEndpoint.js"
import { inTime } from "../oauth2/TokenEndpointClient.js"
import type { ProfileInputs } from "./ProfileInputs.js"
import { answerOptions, lasting } from "./ProfileOptions.js"
import type { ProfileParts } from "./ProfileParts.js"
import { fieldOf, type Names, plainText, requestOf } from "./ProfileText.js"
import { type ProfileRequest, type ProfileStep, type Requests, stepsOf } from "./ProfileValues.js"
import type { Grant, ProviderProfile } from "./ProviderProfile.js"
import { authorizationOptions } from "./StandardGrants.js"

/** What a profile's own requests make of a grant; undefined where it declares none. */
export const declaredRequests = (grant: Grant, profile: ProviderProfile, parts: ProfileParts) =>
  Effect.gen(function* () {
    const { client, names, tenant } = parts
    const { answer, revoke, token } = profile
    const made = (request: ProfileRequest | undefined) => request && requestOf(request, names, tenant)
    const { login: own } = profile
    const login = grant !== "login" || own === undefined ? undefined : yield* loginOf(own, profile, parts)
    const steps = grant === "client_credentials" || profile.refresh === undefined ? undefined : stepsOf(profile.refresh)
    const [first, ...later] = steps ?? []
    const ended = Predicate.isString(revoke)
      ? token
        ? undefined
        : revocation(plainText(revoke, tenant))
      : made(revoke)
    const refresh = made(first)
    if (refresh === undefined && ended === undefined) return login && { login, refresh, revoke: ended }
    const source = yield* TokenEndpoint.make({
      ...{ ...client, ...answerOptions(answeredBy(first, profile)), extendsAccessToken: answer?.extendsAccessToken },
      // Without a refresh there is no source: what stands there instead is not asked.
      ...{ refresh: refresh ?? ended, revoke: ended }
    })
    const { refresh: start } = source
    const next = yield* laterSteps(later, profile, parts)
    return { login, refresh: refresh && start && ((tokens: TokenSet) => next(start(tokens))), revoke: source.revoke }
  })

/** Tokens from nothing: by requests, or signed here. */
const loginOf = (
  login: NonNullable<ProviderProfile["login"]>,
  profile: ProviderProfile,
  parts: ProfileParts
): Effect.Effect<Effect.Effect<TokenSet, SourceError>, InvalidOption, HttpClient.HttpClient> => {
  if (!("token" in login)) return inSteps(stepsOf(login), profile, parts)
  const token = valueOf(fieldOf(login.token, parts.names), undefined)
  return Effect.succeed(
    Effect.map(token, (value) =>
      TokenSet.make({
        accessToken: Redacted.isRedacted(value) ? Redacted.make(`${Redacted.value(value)}`) : `${value}`,
        expiresIn: lasting(login.lives),
        tokenType: profile.answer?.tokenType
      })
    )
  )
}

/** The profile, with the answer of a step in the place of its own. */
const answeredBy = (step: ProfileStep | undefined, profile: ProviderProfile): ProviderProfile =>
  step?.answer === undefined ? profile : { ...profile, answer: step.answer }

/** One request after the other, each with the tokens of the one before it in hand. */
const inSteps = Effect.fnUntraced(function* (
  [first, ...later]: ReturnType<typeof stepsOf>,
  profile: ProviderProfile,
  parts: ProfileParts
) {
  const { client, names, tenant } = parts
  const options = { ...client, ...answerOptions(answeredBy(first, profile)) }
  const { login } = yield* TokenEndpoint.make({ ...options, login: requestOf(first, names, tenant) })
  const next = yield* laterSteps(later, profile, parts)
  return next(login ?? Effect.dieMessage("the first step is a login"))
})

/** What comes after the first request of several. */
const laterSteps = Effect.fnUntraced(function* (
  later: ReadonlyArray<ProfileStep>,
  profile: ProviderProfile,
  { client, names, tenant }: ProfileParts
) {
  const next = yield* Effect.forEach(later, (step) =>
    TokenEndpoint.make({
      ...{ ...client, ...answerOptions(answeredBy(step, profile)) },
      refresh: requestOf(step, names, tenant)
    })
  )
  return (first: Effect.Effect<TokenSet, SourceError>) =>
    next.reduce<Effect.Effect<TokenSet, SourceError>>(
      (before, { refresh }) =>
        Effect.flatMap(before, (tokens) =>
          Effect.map(
            refresh?.(tokens) ?? Effect.succeed(tokens),
            (newer) => new TokenSet({ ...newer, refreshToken: newer.refreshToken ?? tokens.refreshToken })
          )
        ),
      first
    )
})

/** A revocation request (RFC 7009 section 2.1) at an endpoint whose tokens come by requests of its own. */
const revocation = (url: string): EndpointRequest => ({
  url,
  form: { token: (current) => current.refreshToken ?? current.accessToken }
})

/** The login page and the request for its code, where that is one of the profile's own. */
export const declaredCode = (
  exchange: Requests,
  authorize: NonNullable<ProviderProfile["authorize"]>,
  profile: ProviderProfile,
  inputs: ProfileInputs,
  parts: ProfileParts
): Effect.Effect<Pick<AuthorizationCode, "authorize" | "exchange">, InvalidOption, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { clientId = "", redirectUri = "" } = inputs
    const http = yield* HttpClient.HttpClient
    const { codeOf, ...page } = yield* makeAuthorizationRequest(
      { ...authorizationOptions(authorize, inputs, parts.tenant), clientId, redirectUri },
      authorize.clientIdName
    )
    const ask = (code: Names) =>
      inSteps(stepsOf(exchange), profile, { ...parts, names: { ...parts.names, ...code, redirectUri } })
    yield* ask({ code: "code", verifier: "verifier" })
    return {
      authorize: page.authorize,
      exchange: Effect.fnUntraced(function* (callback, { state, verifier }) {
        const code = yield* codeOf(callback, state)
        const exchanged = Effect.flatten(Effect.orDie(ask({ code, verifier })))
        return yield* inTime(Effect.provideService(exchanged, HttpClient.HttpClient, http))
      })
    }
  })
