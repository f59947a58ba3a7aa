// config/: The settings, and what they make: secrets, sources, the store.
// May import no other room.
// Must not know of HTTP, and who asks.
// Longer than 200 lines: one schema of the settings file.

import { ProfileRequest, unknownName } from "@evertoken/core/profile"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Caller } from "./ApiKeys.js"

const expecting = (what: string) => ({ message: () => `expected ${what}` })

/** Where a secret is: `env:NAME` or `file:/path`. Never the secret itself. */
export const SecretPlace = Schema.String.pipe(
  Schema.pattern(/^(?:env:[A-Za-z_]\w*|file:.+)$/, expecting('where the secret is: "env:NAME" or "file:/path"'))
)

const Lasting = Schema.transform(
  Schema.String.pipe(
    Schema.pattern(
      /^\d{1,9}(?:\.\d{1,9})? (?:milli|second|minute|hour|day|week)s?$/,
      expecting('a duration, such as "5 minutes"')
    )
  ),
  Schema.DurationFromSelf,
  {
    strict: true,
    decode: (text) => Option.getOrElse(Duration.decodeUnknown(text), () => Duration.zero),
    encode: (duration) => `${Duration.toMillis(duration)} millis`
  }
)
const LastingSome = Lasting.pipe(
  Schema.filter((duration) => Duration.toMillis(duration) >= 1, expecting("a duration above zero"))
)
const Count = Schema.Int.pipe(Schema.between(1, 1_000_000))
const Texts = Schema.Record({ key: Schema.String, value: Schema.String })
const optional = Schema.optional

const Limits = Schema.Struct({
  concurrency: optional(Count),
  rate: optional(Count),
  per: optional(LastingSome)
})

const shared = {
  /** The key of the tokens; with `*` for any characters, a whole family of them. */
  key: Schema.NonEmptyString,
  clientId: optional(Schema.NonEmptyString),
  clientSecret: optional(SecretPlace),
  clientAuthentication: optional(Schema.Literal("basic", "basicRaw", "post", "none")),
  replay: optional(Schema.Literal("once", "never")),
  replayWindow: optional(Lasting),
  earliestRefresh: optional(Lasting),
  keepAlive: optional(Lasting),
  refreshTokenLifetime: optional(Lasting),
  revokes: optional(Schema.Literal("replaced")),
  revokesAccessToken: optional(Schema.Boolean),
  limits: optional(Limits),
  /** The most keys of a pattern whose connection can log in: each name that is asked for makes one. @default 1000 */
  maxKeys: optional(Count)
}

const oauth2 = {
  ...shared,
  clientId: Schema.NonEmptyString,
  tokenEndpoint: Schema.NonEmptyString,
  revocationEndpoint: optional(Schema.NonEmptyString),
  scope: optional(Schema.String),
  parameters: optional(Texts),
  headers: optional(Texts)
}

/** A connection at an OAuth 2.0 server. One grant each, so that the error is told of the grant that was meant. */
export const ClientCredentialsConnection = Schema.Struct({ ...oauth2, grant: Schema.Literal("client_credentials") })
export const RefreshTokenConnection = Schema.Struct({ ...oauth2, grant: Schema.Literal("refresh_token") })

/**
 * A connection at an endpoint that is not quite standard. A text of a request that says `env:NAME` or `file:/path` is a
 * secret, also inside: `ID {env:NAME}`; `{refreshToken}` and `{accessToken}` stand for the tokens in hand.
 */
export const CustomConnection = Schema.Struct({
  ...shared,
  grant: Schema.Literal("custom"),
  login: optional(ProfileRequest),
  refresh: optional(ProfileRequest),
  revoke: optional(ProfileRequest),
  /** Where the answer has its fields, if not where RFC 6749 has them. */
  fields: optional(
    Schema.Struct({
      accessToken: optional(Schema.String),
      refreshToken: optional(Schema.String),
      /** Seconds that the access token lives. */
      expiresIn: optional(Schema.String),
      /** Seconds that the refresh token lives. */
      refreshTokenExpiresIn: optional(Schema.String),
      tokenType: optional(Schema.String),
      scope: optional(Schema.String)
    })
  )
})

const Key = Schema.Struct({ key: SecretPlace, algorithm: optional(Schema.String), keyId: optional(Schema.String) })

/** A connection at a provider whose profile is known by its id, or written here. */
export const ProfileConnection = Schema.Struct({
  ...shared,
  profile: Schema.Union(
    Schema.NonEmptyString,
    Schema.Record({ key: Schema.String, value: Schema.Unknown }).annotations(
      expecting("the id of a profile, or a profile")
    )
  ),
  grant: optional(Schema.Literal("refresh_token", "client_credentials", "login", "jwt_bearer", "token_exchange")),
  /** A value for each name of the profile's `tenant` that the key does not give. */
  tenant: optional(Texts),
  secrets: optional(Schema.Record({ key: Schema.String, value: SecretPlace })),
  scope: optional(Schema.String),
  privateKey: optional(Schema.Struct({ ...Key.fields, audience: optional(Schema.String) })),
  /** Read anew for each request where it is a file; so are `assertion` and `subjectToken`. */
  clientAssertion: optional(SecretPlace),
  signingKey: optional(Key),
  assertion: optional(SecretPlace),
  issuedBy: optional(Schema.String),
  subject: optional(Schema.String),
  claims: optional(Texts),
  subjectToken: optional(SecretPlace),
  subjectTokenType: optional(Schema.String),
  requestedTokenType: optional(Schema.String)
})
export type ProfileConnection = typeof ProfileConnection.Type

const DeclaredConnection = Schema.Union(ClientCredentialsConnection, RefreshTokenConnection, CustomConnection)
export type DeclaredConnection = typeof DeclaredConnection.Type

export type ConnectionSetting = DeclaredConnection | ProfileConnection
type ConnectionJson = typeof DeclaredConnection.Encoded | typeof ProfileConnection.Encoded

/** A connection. One with a `profile` is told as such, and any other by the grant that was meant. */
export const ConnectionSetting = Schema.declare([DeclaredConnection, ProfileConnection], {
  decode:
    (declared, profiled) =>
    (input, options): Effect.Effect<ConnectionSetting, ParseResult.ParseIssue> =>
      hasProfile(input)
        ? ParseResult.decodeUnknown(profiled)(input, options)
        : ParseResult.decodeUnknown(declared)(input, options),
  encode:
    (declared, profiled) =>
    (input, options): Effect.Effect<ConnectionJson, ParseResult.ParseIssue> =>
      hasProfile(input)
        ? ParseResult.encodeUnknown(profiled)(input, options)
        : ParseResult.encodeUnknown(declared)(input, options)
})
const hasProfile = Predicate.hasProperty("profile")

const listen = (otherwise: number) =>
  Schema.optionalWith(
    Schema.Struct({
      /** @default "127.0.0.1": whoever is to call from elsewhere comes through a proxy that ends TLS */
      host: Schema.optionalWith(Schema.NonEmptyString, { default: () => "127.0.0.1" }),
      port: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, 65_535)), { default: () => otherwise })
    }),
    { default: () => ({ host: "127.0.0.1", port: otherwise }) }
  )

/** All that the service can be told. */
export const Settings = Schema.Struct({
  listen: listen(8787),
  /** `file:tokens.db`, `postgres://…` or `mysql://…`; or where that is, since it may hold a password: `env:NAME`, `file:/path`. */
  database: optional(Schema.NonEmptyString),
  /** `"off"` keeps tokens readable for whoever can read the database. */
  encryption: Schema.optionalWith(Schema.Literal("on", "off"), { default: () => "on" }),
  connections: Schema.NonEmptyArray(ConnectionSetting),
  callers: Schema.optionalWith(Schema.Array(Caller), { default: () => [] }),
  policy: Schema.optionalWith(
    Schema.Struct({
      ahead: optional(Lasting),
      timeout: optional(LastingSome),
      wait: optional(LastingSome),
      lease: optional(LastingSome)
    }),
    { default: () => ({}) }
  ),
  worker: Schema.optionalWith(
    Schema.Struct({
      concurrency: optional(Count),
      every: optional(LastingSome),
      /** Where a process that only works tells how it is. */
      listen: listen(8788)
    }),
    { default: () => ({ listen: { host: "127.0.0.1", port: 8788 } }) }
  ),
  /** The most requests of one caller. */
  rate: Schema.optionalWith(Schema.Struct({ requests: Count, per: LastingSome }), {
    default: () => ({ requests: 200, per: Duration.seconds(1) })
  })
})
export type Settings = typeof Settings.Type

/** The service cannot start like this. */
export class SettingsError extends Schema.TaggedError<SettingsError>()("SettingsError", {
  /** The setting, as it is written. */
  setting: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.setting}: ${this.problem}`
  }
}

/** Reads settings from JSON. The error names the setting and what it expects, and quotes nothing. */
export const parseSettings = (json: string): Settings | SettingsError =>
  Option.getOrElse(
    read(json),
    () => new SettingsError({ setting: "the configuration", problem: "it is none of what it can be" })
  )

// Not every object that JSON can make can be told as text, which decoding does: `{ "toString": 1 }`.
const read = Option.liftThrowable((json: string): Settings | SettingsError => {
  const decoded = decode(json)
  if (decoded._tag === "Right") return decoded.right
  const unknown = unknownName(decoded.left)
  if (unknown !== undefined) {
    const { near, path } = unknown
    const problem =
      near === undefined ? "there is no such setting" : `there is no such setting; did you mean "${near}"?`
    return new SettingsError({ setting: pathOf(path), problem })
  }
  const issues = ParseResult.ArrayFormatter.formatIssueSync(decoded.left)
  const [issue] = issues
  const setting = issue === undefined || issue.path.length === 0 ? "the configuration" : pathOf(issue.path)
  const same = issues.filter((other) => issue !== undefined && pathOf(other.path) === pathOf(issue.path))
  const problems = [...new Set(same.map(problemOf))].filter((problem) => problem !== "expected undefined")
  const problem = problems.map((problem, at) => (at === 0 ? problem : problem.replace(/^expected /, ""))).join(" or ")
  return new SettingsError({ setting, problem })
})

const decode = ParseResult.decodeUnknownEither(Schema.parseJson(Settings), { onExcessProperty: "error" })

const pathOf = (path: ReadonlyArray<PropertyKey>): string =>
  path
    .map((part, at) => {
      if (typeof part === "number") return `[${part}]`
      const name = String(part).slice(0, 80)
      if (!/^[\w-]+$/.test(name)) return `[${JSON.stringify(name)}]`
      return at === 0 ? name : `.${name}`
    })
    .join("")

const problemOf = (issue: ParseResult.ArrayFormatterIssue): string => {
  if (issue._tag === "Transformation") return "expected JSON"
  if (issue._tag === "Missing") return "it is missing"
  if (issue._tag === "Unexpected") return "there is no such setting"
  const [said = ""] = issue.message.split(/,? actual /)
  if (/^expected (?:readonly |Array|ReadonlyArray)/i.test(said)) return "expected a list"
  if (/^expected (?:\{|Struct)/i.test(said)) return "expected an object"
  return /^expected /i.test(said) && !said.includes("\n") ? said.replace(/^E/, "e") : "it is none of what it can be"
}
