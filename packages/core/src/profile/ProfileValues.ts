import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { duration, listOf } from "../model/Options.js"

/** The message of a check. */
export const expecting = (what: string) => ({ message: () => `expected ${what}` })
/** What may be left out. */
export const optional = Schema.optional
/** Text that is not empty. */
export const Text = Schema.NonEmptyString.annotations(expecting("text that is not empty"))
/** What a text may name. */
export const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z]\w*$/, expecting("a name of letters and digits")))
/** Texts by name. */
export const Texts = Schema.Record({ key: Schema.String, value: Schema.String })
/** The name of a header, of a scheme. */
export const Token = Schema.String.pipe(Schema.pattern(/^[!#$%&'*+\-.^_`|~\w]+$/, expecting("what HTTP calls a token")))
/** A duration with its unit. */
export const Lasting = Schema.String.pipe(
  Schema.filter((text) => duration(text, "") === undefined, expecting('a duration, such as "30 minutes"'))
)
/** A regular expression. */
export const Pattern = Schema.String.pipe(
  Schema.filter((text) => Option.isSome(regularExpression(text)), expecting("a regular expression"))
)
const regularExpression = Option.liftThrowable((text: string) => new RegExp(`^(?:${text})$`))

/** JSON whose texts may name values. */
export type JsonValue = JsonElement | ReadonlyArray<JsonElement>
type JsonElement = string | number | boolean | JsonObject
interface JsonObject {
  readonly [name: string]: JsonValue
}
const JsonElement: Schema.Schema<JsonElement> = Schema.Union(
  Schema.String,
  Schema.Number,
  Schema.Boolean,
  Schema.suspend(() => Schema.Record({ key: Schema.String, value: JsonValue }))
)
const JsonValue: Schema.Schema<JsonValue> = Schema.Union(JsonElement, Schema.Array(JsonElement))

/** One request. Its texts may name values: `{clientSecret}`, `Bearer {accessToken}`. Its address names the tenant alone. */
export const ProfileRequest = Schema.Struct({
  url: Text,
  /** @default "POST" */
  method: optional(Schema.Literal("GET", "POST", "PUT", "PATCH", "DELETE")),
  headers: optional(Texts),
  query: optional(Texts),
  form: optional(Texts),
  json: optional(Schema.Record({ key: Schema.String, value: JsonValue }))
})
export type ProfileRequest = typeof ProfileRequest.Type

const KINDS = [
  "seconds",
  "minutes",
  "millis",
  "isoDate",
  "epochSeconds",
  "epochMillis",
  "clock",
  "jwt",
  "fixed"
] as const

/** How a token's end is told, by the names of `Expiry`: exactly one. Units are declared, never guessed. */
export const Expires = Schema.Struct({
  /** Where a span stands, as a number or as text. */
  ...{ seconds: optional(Text), minutes: optional(Text), millis: optional(Text) },
  /** Where a point in time stands. */
  ...{ isoDate: optional(Text), epochSeconds: optional(Text), epochMillis: optional(Text) },
  /** Where numbers between colons stand, spelled as `format` says. */
  clock: optional(Text),
  /** @default "D:HH:MM:SS" */
  format: optional(
    Schema.String.pipe(Schema.pattern(/^[DHMS]+(?::[DHMS]+)*$/, expecting('units, such as "D:HH:MM:SS"')))
  ),
  /** Where a JWT stands whose `exp` claim tells. */
  jwt: optional(Text),
  /** Known from the provider's documentation. */
  fixed: optional(Lasting)
}).pipe(
  Schema.filter(
    (expires) =>
      KINDS.filter((kind) => expires[kind] !== undefined).length === 1 &&
      (expires.format === undefined || expires.clock !== undefined),
    expecting(`one of ${listOf(KINDS)}, and "format" beside "clock" alone`)
  )
)
export type Expires = typeof Expires.Type

const Encoded = Schema.Literal("hex", "base64", "base64url")

/** A value that is made once for each request and that its texts may name. Texts in it may name others before it. */
export const ComputedValue = Schema.Union(
  /** The time, or a time that comes `after` it. A `date` is the day, in UTC. */
  Schema.Struct({ now: Schema.Literal("seconds", "millis", "iso", "date"), after: optional(Lasting) }),
  Schema.Struct({ random: Schema.Literal("uuid", "base64url") }),
  Schema.Struct({ base64: Schema.String }),
  Schema.Struct({ sha256: Schema.String, as: Encoded }),
  Schema.Struct({ sha1: Schema.String, as: Encoded }),
  Schema.Struct({ "hmac-sha256": Schema.String, key: Text, as: Encoded }),
  /**
   * A JWT that is signed anew; `iat` and `exp` come by themselves. `key` names the secret that holds a private key, or the
   * shared secret of `HS256` and its kin, which may be written as `keyAs` says.
   */
  Schema.Struct({
    jwt: Schema.Struct({
      key: Text,
      keyAs: optional(Schema.Literal("text", "hex", "base64")),
      algorithm: optional(Text),
      keyId: optional(Text),
      /** More of its header, such as `x5t#S256`. */
      header: optional(Texts),
      claims: Texts,
      lifetime: Lasting
    })
  })
)
export type ComputedValue = typeof ComputedValue.Type

/** Where an answer has its fields, if not where RFC 6749 has them. */
export const ProfileAnswer = Schema.Struct({
  ...{
    accessToken: optional(Text),
    refreshToken: optional(Text),
    scope: optional(Text),
    tokenTypeAt: optional(Text)
  },
  /** @default { "seconds": "expires_in" } */
  expires: optional(Schema.Union(Expires, Schema.NonEmptyArray(Expires))),
  refreshExpires: optional(Schema.Union(Expires, Schema.NonEmptyArray(Expires))),
  /** The scheme, whatever the answer says. */
  tokenType: optional(Token),
  keep: optional(Schema.Array(Text)),
  /** Whether a refresh may answer without a token, since the one in hand lives on. */
  extendsAccessToken: optional(Schema.Boolean)
})
export type ProfileAnswer = typeof ProfileAnswer.Type

/** One request of several, which has the tokens of the one before it in hand. Without an `answer`, the profile's is meant. */
export const ProfileStep = Schema.Struct({ ...ProfileRequest.fields, answer: optional(ProfileAnswer) })
export type ProfileStep = typeof ProfileStep.Type

/** A request, or several, of which each has the tokens of the one before it in hand. */
export const Requests = Schema.Union(ProfileRequest, Schema.NonEmptyArray(ProfileStep))
export type Requests = typeof Requests.Type

/** A token that is made here, without a request, and how long it lives: one of the `values`. */
export const SignedToken = Schema.Struct({ token: Text, lives: Lasting })
export type SignedToken = typeof SignedToken.Type

/** The steps of requests. */
export const stepsOf = (requests: Requests): readonly [ProfileStep, ...ReadonlyArray<ProfileStep>] =>
  isList(requests) ? requests : [requests]

const isList = (requests: Requests): requests is Extract<Requests, ReadonlyArray<unknown>> => Array.isArray(requests)
