import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import {
  boolean,
  type Check,
  type Checks,
  effect,
  every,
  kind,
  lasting,
  listing,
  nested,
  oneOf,
  record,
  required,
  string,
  text
} from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import { traitChecks } from "../model/TokenSource.js"
import { endpoint } from "../transport/SafeUrl.js"
import { privateKeyChecks } from "../transport/SigningKey.js"
import type { AuthorizationCodeOptions } from "./AuthorizationCode.js"
import { clientChecks } from "./ClientAuthentication.js"
import type { DeviceAuthorizationOptions } from "./DeviceAuthorization.js"
import type { Endpoints } from "./Discovery.js"
import type { JwtBearerOptions, TokenExchangeOptions } from "./OAuth2.js"
import type { OAuth2Options, RefreshOptions } from "./OAuth2Client.js"
import { answerChecks } from "./TokenResponse.js"

/** Values by name, but none under a name that the request itself has. */
const texts = (reserved: Readonly<Record<string, string>> = {}, value: Check = string): Check =>
  every(record("texts by name", value), (value, option) => {
    const name = Object.keys(reserved).find((name) => Predicate.hasProperty(value, name))
    return name === undefined
      ? undefined
      : new InvalidOption({ option: `${option}.${name}`, expected: reserved[name] ?? "" })
  })

const PARAMETER = kind(
  "text, Redacted.make of one, or an Effect that gives one of these",
  (value) => Predicate.isString(value) || isText(value) || Effect.isEffect(value)
)
const isText = (value: unknown) => Redacted.isRedacted(value) && Predicate.isString(Redacted.value(value))

const SCOPES = listing("the scopes as a list, or as text with spaces between them", string)

/** What each option of all grants has to be; those of `discover` are known to all, since it is spread into them. */
const oauth2Checks = {
  ...clientChecks,
  ...answerChecks,
  ...traitChecks,
  tokenEndpoint: required(endpoint),
  revocationEndpoint: endpoint,
  authorizationEndpoint: endpoint,
  deviceAuthorizationEndpoint: endpoint,
  issuerInCallback: boolean,
  issuer: text("the issuer identifier, a URL"),
  scope: (value, option) => (Predicate.isString(value) ? undefined : SCOPES(value, option)),
  parameters: texts(
    {
      scope: "the option `scope` instead",
      grant_type: "none: each grant has its own",
      client_secret: "the option `clientSecret` instead"
    },
    PARAMETER
  ),
  headers: every(texts({}, PARAMETER), (value, option) => {
    const name = Predicate.isRecord(value) && Object.keys(value).find((name) => name.toLowerCase() === "content-type")
    return name ? new InvalidOption({ option: `${option}.${name}`, expected: "none: the body is a form" }) : undefined
  }),
  dpop: boolean
} satisfies Checks<OAuth2Options & Endpoints>

/** What each option of the grants has to be that give refresh tokens. */
const refreshChecks = {
  ...oauth2Checks,
  scopeOnRefresh: oneOf("omit", "original", "explicit")
} satisfies Checks<RefreshOptions & Endpoints>

const CLIENT = { clientId: required(refreshChecks.clientId) }

/** What each option of `clientCredentials` has to be. */
export const credentialsChecks = { ...oauth2Checks, ...CLIENT } satisfies Checks<OAuth2Options>

/** What each option of `refreshToken` has to be. */
export const refreshTokenChecks = { ...refreshChecks, ...CLIENT } satisfies Checks<RefreshOptions>

const ASKED = effect("an Effect that gives Redacted.make of a token")

/** What each option of `jwtBearer` has to be. */
export const jwtBearerChecks = {
  ...refreshChecks,
  assertion: ASKED,
  signingKey: nested(privateKeyChecks),
  issuedBy: text(),
  subject: text(),
  assertionAudience: text(),
  claims: texts(),
  assertionLifetime: lasting
} satisfies Checks<JwtBearerOptions>

/** What each option of `tokenExchange` has to be. */
export const tokenExchangeChecks = {
  ...refreshChecks,
  subjectToken: required(ASKED),
  subjectTokenType: text(),
  actorToken: ASKED,
  actorTokenType: text(),
  requestedTokenType: text()
} satisfies Checks<TokenExchangeOptions>

/** What each option of `authorizationCode` has to be. */
export const authorizationCodeChecks = {
  ...refreshTokenChecks,
  authorizationEndpoint: required(endpoint),
  redirectUri: required(text("the address that the person comes back to, as registered")),
  pkce: boolean,
  authorizationParameters: texts({
    scope: "the option `scope` instead",
    response_type: 'none: it is "code"',
    client_id: "the option `clientId` instead",
    redirect_uri: "the option `redirectUri` instead",
    state: "none: each login has its own",
    code_challenge: "none: each login has its own",
    code_challenge_method: "none: it is S256"
  })
} satisfies Checks<AuthorizationCodeOptions>

/** What each option of `deviceAuthorization` has to be. */
export const deviceChecks = {
  ...refreshTokenChecks,
  deviceAuthorizationEndpoint: required(endpoint)
} satisfies Checks<DeviceAuthorizationOptions>
