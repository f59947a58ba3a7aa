import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Struct from "effect/Struct"
import { type Field, isFixed, type Value, valueOf } from "../oauth2/Field.js"
import * as OAuth2 from "../oauth2/OAuth2.js"
import type { Parameter } from "../oauth2/OAuth2Client.js"
import { JWT_BEARER, type ProfileInputs, TOKEN_EXCHANGE } from "./ProfileInputs.js"
import { answerOptions } from "./ProfileOptions.js"
import type { ProfileParts } from "./ProfileParts.js"
import { fieldOf, type Names, plainText, plainTexts } from "./ProfileText.js"
import type { Grant, ProviderProfile } from "./ProviderProfile.js"

/** The source of a grant of RFC 6749 or its kin at the profile's token endpoint; undefined without one. */
export const standardGrant = (
  grant: Grant,
  profile: ProviderProfile,
  inputs: ProfileInputs,
  { client, names, tenant }: ProfileParts
) =>
  Effect.suspend(() => {
    const { authorize, device, exchange, revoke, token } = profile
    const { clientId = "", redirectUri = "", scope, subjectToken } = inputs
    if (token === undefined) return Effect.succeed(undefined)
    const base = {
      ...answerOptions(profile),
      tokenEndpoint: plainText(token.url, tenant),
      revocationEndpoint: Predicate.isString(revoke) ? plainText(revoke, tenant) : undefined,
      parameters: parametersOf(token.parameters, names),
      headers: parametersOf(token.headers, names),
      scope,
      ...client
    }
    const renewed = { ...base, scopeOnRefresh: token.scopeOnRefresh }
    switch (grant) {
      case "client_credentials":
        return OAuth2.clientCredentials({ clientId, ...base })
      case "jwt_bearer":
        return OAuth2.jwtBearer({ ...renewed, ...Struct.pick(inputs, ...JWT_BEARER) })
      case "token_exchange":
        return subjectToken === undefined
          ? Effect.succeed(undefined)
          : OAuth2.tokenExchange({ ...renewed, ...Struct.pick(inputs, ...TOKEN_EXCHANGE), subjectToken })
      case "device_code":
        return OAuth2.deviceAuthorization({
          ...{ clientId, ...renewed },
          deviceAuthorizationEndpoint: plainText(device?.url ?? "", tenant)
        })
      case "authorization_code":
        return authorize === undefined || exchange !== undefined
          ? OAuth2.refreshToken({ clientId, ...renewed })
          : OAuth2.authorizationCode({
              ...renewed,
              ...authorizationOptions(authorize, inputs, tenant),
              clientId,
              redirectUri
            })
      default:
        return OAuth2.refreshToken({ clientId, ...renewed })
    }
  })

/** What the login page is asked. */
export const authorizationOptions = (
  { parameters, pkce, scopes = [], scopeSeparator = " ", url }: NonNullable<ProviderProfile["authorize"]>,
  { authorizationParameters, clientId = "", scope }: ProfileInputs,
  tenant: Readonly<Record<string, string>>
) => {
  const asked = Predicate.isString(scope) ? scope.split(/[\s,]+/) : (scope ?? [])
  const all = [...new Set([...asked, ...scopes])].filter((one) => one !== "")
  return {
    scope: all.length === 0 ? undefined : all.join(scopeSeparator),
    authorizationEndpoint: plainText(url, tenant),
    authorizationParameters: { ...plainTexts(parameters, { ...tenant, clientId }), ...authorizationParameters },
    pkce
  }
}

const parametersOf = (texts: Readonly<Record<string, string>> | undefined, names: Names) =>
  texts && Record.map(texts, (text) => parameterOf(fieldOf(text, names)))

/** A field of a request that no tokens are in hand for; the profile's consistency knows that there is a text. */
const parameterOf = (field: Field): Parameter => {
  const made = isFixed(field) ? field : Effect.map(valueOf(field, undefined), textOf)
  return Effect.isEffect(made) ? made : textOf(made)
}

const textOf = (value: Value): string | Redacted.Redacted => (Redacted.isRedacted(value) ? value : `${value ?? ""}`)
