import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Struct from "effect/Struct"
import { type Check, checkOptions, kind, nested, oneOf, required } from "../model/Options.js"
import type { InvalidOption } from "../model/TokenError.js"
import { type SourceError, traitChecks } from "../model/TokenSource.js"
import type { AuthorizationCodeOptions } from "../oauth2/AuthorizationCode.js"
import type { ClientOptions } from "../oauth2/ClientAuthentication.js"
import { authorizationCodeChecks, jwtBearerChecks, tokenExchangeChecks } from "../oauth2/GrantChecks.js"
import type { JwtBearerOptions, TokenExchangeOptions } from "../oauth2/OAuth2.js"
import { namesIn } from "./ProfileText.js"
import type { Grant, ProviderProfile } from "./ProviderProfile.js"

/** What a profile leaves open: whose tokens, for which customer, and what the chosen grant needs. */
export interface ProfileInputs
  extends Partial<ClientOptions>,
    Pick<AuthorizationCodeOptions, "authorizationParameters" | "limits" | "scope">,
    Pick<Partial<AuthorizationCodeOptions>, "redirectUri">,
    Pick<JwtBearerOptions, OfJwtBearer>,
    Pick<Partial<TokenExchangeOptions>, OfTokenExchange> {
  /**
   * Which of the profile's grants.
   * @default the first; of those that a person starts, what refreshes their tokens
   */
  readonly grant?: Grant | undefined
  /** A value for each name of the profile's `tenant`. */
  readonly tenant?: Readonly<Record<string, string>> | undefined
  /** A secret for each name of the profile's `secrets`. As an Effect it is read anew for each request. */
  readonly secrets?: Readonly<Record<string, Secret>> | undefined
}
type Secret = Redacted.Redacted | Effect.Effect<Redacted.Redacted, SourceError>

/** The options that only this grant has. */
export const JWT_BEARER = [
  ...(["assertion", "assertionAudience", "assertionLifetime", "claims"] as const),
  ...(["issuedBy", "signingKey", "subject"] as const)
]
type OfJwtBearer = (typeof JWT_BEARER)[number]
/** The options that only this grant has. */
export const TOKEN_EXCHANGE = [
  ...(["actorToken", "actorTokenType", "requestedTokenType"] as const),
  ...(["subjectToken", "subjectTokenType"] as const)
]
type OfTokenExchange = (typeof TOKEN_EXCHANGE)[number]
/** How a client proves itself. */
export const CLIENT = [
  ...(["clientAssertion", "clientAssertionType", "clientAuthentication"] as const),
  ...(["clientSecret", "privateKey"] as const)
]

/** The grant that is asked for, once the inputs are what it and the profile need. */
export const grantOf = (profile: ProviderProfile, inputs: ProfileInputs): Effect.Effect<Grant, InvalidOption> =>
  Effect.gen(function* () {
    const started = profile.grants.some((grant) => RENEWED[grant] !== grant)
    yield* oneOf(...new Set([...profile.grants, ...(started ? ["refresh_token"] : [])]))(inputs.grant, "grant") ??
      Effect.void
    const grant = inputs.grant ?? RENEWED[profile.grants[0]]
    yield* checkOptions(inputs, checksOf(profile, grant))
    return grant
  })

/** The names of the tenant, once they are what the profile wants. */
export const tenantOf = (
  { tenant = {} }: ProviderProfile,
  inputs: Pick<ProfileInputs, "tenant">
): Effect.Effect<Readonly<Record<string, string>>, InvalidOption> =>
  Effect.as(checkOptions(inputs, tenantCheck(tenant)), inputs.tenant ?? {})

const tenantCheck = (tenant: NonNullable<ProviderProfile["tenant"]>): Readonly<Record<string, Check>> =>
  Record.size(tenant) === 0 ? {} : { tenant: required(nested(Record.map(tenant, matching))) }

/** By which grant tokens go on that came by another. */
const RENEWED = {
  ...{ authorization_code: "refresh_token", device_code: "refresh_token", refresh_token: "refresh_token" },
  ...{ client_credentials: "client_credentials", jwt_bearer: "jwt_bearer", token_exchange: "token_exchange" },
  login: "login"
} as const satisfies Record<Grant, Grant>

const checksOf = (profile: ProviderProfile, grant: Grant): Readonly<Record<string, Check>> => {
  const { client, secrets = [], tenant = {}, token } = profile
  const named = namesIn(profile)
  const { authorize, exchange, login, refresh, revoke, values } = profile
  const used = namesIn([
    ...[token, values, refresh, revoke],
    ...(grant === "authorization_code" ? [authorize, exchange] : []),
    ...(grant === "login" ? [login] : [])
  ])
  /** What the grant does not need, another one of the profile may. */
  const needed = (name: string, check: Check) => (used.includes(name) ? required(check) : check)
  const { clientId, scope } = authorizationCodeChecks
  const isAnonymous = grant === "jwt_bearer" || grant === "token_exchange"
  return {
    grant: () => undefined,
    limits: traitChecks.limits,
    ...tenantCheck(tenant),
    ...(secrets.length === 0 ? {} : { secrets: required(nested(Record.fromIterableWith(secrets, secretNamed))) }),
    ...(client !== undefined || named.includes("clientId") || authorize !== undefined
      ? {
          clientId: isAnonymous
            ? jwtBearerChecks.clientId
            : client !== undefined || grant === "authorization_code"
              ? clientId
              : needed("clientId", jwtBearerChecks.clientId)
        }
      : {}),
    ...(client === undefined ? {} : Struct.pick(authorizationCodeChecks, ...CLIENT)),
    ...(named.includes("clientSecret") ? { clientSecret: needed("clientSecret", secretInText) } : {}),
    ...(token === undefined && grant !== "authorization_code" ? {} : { scope }),
    ...(grant === "authorization_code"
      ? Struct.pick(authorizationCodeChecks, "redirectUri", "authorizationParameters")
      : {}),
    ...(grant === "jwt_bearer" ? Struct.pick(jwtBearerChecks, ...JWT_BEARER) : {}),
    ...(grant === "token_exchange" ? Struct.pick(tokenExchangeChecks, ...TOKEN_EXCHANGE) : {})
  }
}

/** A value of a tenant's name: what it matches, and nothing that could lead an address elsewhere. */
const matching = (pattern: string): Check =>
  required(
    kind(
      `text that matches ${pattern}`,
      (value) => Predicate.isString(value) && SAFE.test(value) && new RegExp(`^(?:${pattern})$`).test(value)
    )
  )

const SAFE = /^(?!\.+$)[\w.~-]{1,253}$/

const secretInText = kind(
  "Redacted.make of a secret that is not empty, or an Effect that gives one: it stands in a text",
  (value) =>
    Effect.isEffect(value) ||
    (Redacted.isRedacted(value) && Predicate.isString(Redacted.value(value)) && Redacted.value(value) !== "")
)

const secretNamed = (name: string) => [name, required(secretInText)] as const
