import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { InvalidOption } from "../model/TokenError.js"
import type { AuthorizationCode } from "../oauth2/AuthorizationCode.js"
import { makeAuthorizationRequest } from "../oauth2/AuthorizationRequest.js"
import type { EndpointRequest } from "../oauth2/EndpointRequest.js"
import * as TokenEndpoint from "../oauth2/TokenEndpoint.js"
import { inTime } from "../oauth2/TokenEndpointClient.js"
import type { ProfileInputs } from "./ProfileInputs.js"
import { answerOptions } from "./ProfileOptions.js"
import type { ProfileParts } from "./ProfileParts.js"
import { plainText, requestOf } from "./ProfileText.js"
import type { ProfileRequest } from "./ProfileValues.js"
import type { Grant, ProviderProfile } from "./ProviderProfile.js"
import { authorizationOptions } from "./StandardGrants.js"

/** What a profile's own requests make of a grant; undefined where it declares none. */
export const declaredRequests = (grant: Grant, profile: ProviderProfile, { client, names, tenant }: ProfileParts) =>
  Effect.gen(function* () {
    const { answer, revoke, token } = profile
    const made = (request: ProfileRequest | undefined) => request && requestOf(request, names, tenant)
    const login = grant === "login" ? made(profile.login) : undefined
    const refresh = grant === "client_credentials" ? undefined : made(profile.refresh)
    const ended = Predicate.isString(revoke)
      ? token
        ? undefined
        : revocation(plainText(revoke, tenant))
      : made(revoke)
    if (login === undefined && refresh === undefined && ended === undefined) return undefined
    const source = yield* TokenEndpoint.make({
      ...{ ...client, ...answerOptions(profile), extendsAccessToken: answer?.extendsAccessToken },
      // Without either there is no source; only its `revoke` is taken then.
      ...{ login, refresh: refresh ?? (login === undefined ? made({ url: token?.url ?? "" }) : undefined) },
      revoke: ended
    })
    return { login: source.login, refresh: refresh && source.refresh, revoke: source.revoke }
  })

/** A revocation request (RFC 7009 section 2.1) at an endpoint whose tokens come by requests of its own. */
const revocation = (url: string): EndpointRequest => ({
  url,
  form: { token: (current) => current.refreshToken ?? current.accessToken }
})

/** The login page and the request for its code, where that is one of the profile's own. */
export const declaredCode = (
  exchange: ProfileRequest,
  authorize: NonNullable<ProviderProfile["authorize"]>,
  profile: ProviderProfile,
  inputs: ProfileInputs,
  { client, names, tenant }: ProfileParts
): Effect.Effect<Pick<AuthorizationCode, "authorize" | "exchange">, InvalidOption, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { clientId = "", redirectUri = "" } = inputs
    const http = yield* HttpClient.HttpClient
    const { codeOf, ...page } = yield* makeAuthorizationRequest(
      { ...authorizationOptions(authorize, inputs, tenant), clientId, redirectUri },
      authorize.clientIdName
    )
    const ask = (login: EndpointRequest) =>
      Effect.provideService(
        TokenEndpoint.make({ ...client, ...answerOptions(profile), login }),
        HttpClient.HttpClient,
        http
      )
    const request = (code: Pick<typeof names, "code" | "verifier">) =>
      requestOf(exchange, { ...names, ...code, redirectUri }, tenant)
    yield* ask(request({ code: "code", verifier: "verifier" }))
    return {
      authorize: page.authorize,
      exchange: Effect.fnUntraced(function* (callback, { state, verifier }) {
        const code = yield* codeOf(callback, state)
        const { login } = yield* Effect.orDie(ask(request({ code, verifier })))
        return yield* inTime(login ?? Effect.dieMessage("an exchange is a login"))
      })
    }
  })
