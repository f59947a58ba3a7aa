// Longer than 200 lines: one record: fields, options, JSON and what is reckoned with them.

import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  type Checks,
  type DurationOption,
  duration,
  isSeconds,
  kind,
  listing,
  must,
  problemOf,
  record,
  scheme,
  secret,
  string
} from "./Options.js"
import { secretOf } from "./Secret.js"
import { InvalidOption } from "./TokenError.js"

/** What a token endpoint answered (RFC 6749 section 5.1). Its secrets are `Redacted` and stay so. */
export class TokenSet extends Data.Class<{
  /** The access token; empty where there is a refresh token alone. */
  readonly accessToken: Redacted.Redacted
  /** The scheme the token goes by in `Authorization`; any spelling of `bearer` is `Bearer`. */
  readonly tokenType: string
  /** How long the access token lives, counted from before it was asked for. Given way to `expiresAt` once that is known. */
  readonly expiresIn: Duration.Duration | undefined
  /** When the access token ends, in epoch milliseconds. Where nobody says, it is renewed on a 401 only. */
  readonly expiresAt: number | undefined
  /** When the tokens were asked for, in epoch milliseconds. */
  readonly obtainedAt: number | undefined
  readonly refreshToken: Redacted.Redacted | undefined
  readonly refreshTokenExpiresIn: Duration.Duration | undefined
  /** When the refresh token ends, in epoch milliseconds. */
  readonly refreshTokenExpiresAt: number | undefined
  /** Since when, in epoch milliseconds, the refresh token has had this end, where refreshing did not put it off; else since `obtainedAt`. */
  readonly refreshTokenEndSetAt: number | undefined
  readonly scopes: ReadonlyArray<string> | undefined
  /** What else the answer held that callers need: an instance URL, an account id. Handed to callers, so never a secret. */
  readonly extra: Readonly<Record<string, unknown>>
  /** The private JWK, as JSON, that a DPoP-bound token is used with (RFC 9449). */
  readonly proofKey: Redacted.Redacted | undefined
}> {
  /**
   * Builds a token set of an access token, a refresh token, or both. A refresh token alone is refreshed before anybody
   * is given a token. An end at or before now says that the token has ended; a lifetime over ten years counts as not
   * given. Throws an `InvalidOption` where an option is unknown or cannot be meant.
   *
   * @example
   * ```ts
   * const tokens = TokenSet.make({ accessToken: "…", refreshToken: "…", expiresIn: "1 hour" })
   * ```
   */
  static readonly make = (options: TokenSetOptions): TokenSet => {
    must(problemOf(options, tokenSetChecks))
    const accessToken = redact(options.accessToken)
    const refreshToken = redact(options.refreshToken)
    if (accessToken === undefined && refreshToken === undefined) {
      throw new InvalidOption({ option: "accessToken", expected: "an access token, a refresh token, or both" })
    }
    return new TokenSet({
      accessToken: accessToken ?? NONE,
      tokenType: canonicalType(options.tokenType),
      expiresIn: accessToken && lifetime(options.expiresIn),
      expiresAt: accessToken === undefined ? ENDED : instant(options.expiresAt),
      obtainedAt: instant(options.obtainedAt),
      refreshToken,
      refreshTokenExpiresIn: lifetime(options.refreshTokenExpiresIn),
      refreshTokenExpiresAt: instant(options.refreshTokenExpiresAt),
      refreshTokenEndSetAt: instant(options.refreshTokenEndSetAt),
      scopes: options.scopes,
      extra: options.extra ?? {},
      proofKey: options.proofKey
    })
  }

  /** Whether there is an access token, or a refresh token alone. */
  get hasAccessToken(): boolean {
    return Redacted.value(this.accessToken) !== ""
  }

  /** Until when the access token holds, in epoch milliseconds: `Infinity` where nobody said, `-Infinity` without one. */
  get holdsUntil(): number {
    return this.hasAccessToken ? (this.expiresAt ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY
  }

  /** The same tokens with each lifetime turned into an end, counted from `now` (epoch milliseconds). */
  obtained(now: number): TokenSet {
    const end = (at: number | undefined, lifetime: Duration.Duration | undefined) => {
      const millis = at ?? (lifetime === undefined ? undefined : now + Duration.toMillis(lifetime))
      return millis !== undefined && millis <= now + TEN_YEARS ? millis : undefined
    }
    return new TokenSet({
      ...this,
      obtainedAt: now,
      expiresIn: undefined,
      expiresAt: end(this.expiresAt, this.expiresIn),
      refreshTokenExpiresIn: undefined,
      refreshTokenExpiresAt: end(this.refreshTokenExpiresAt, this.refreshTokenExpiresIn)
    })
  }

  /** These tokens with what they leave out taken over from `older`: an answer to a refresh need not repeat what still holds. */
  following(older: TokenSet): TokenSet {
    const rotated = this.refreshToken !== undefined
    const before = older.refreshTokenExpiresAt
    const end = this.refreshTokenExpiresAt ?? (rotated ? undefined : before)
    const stays = end !== undefined && before !== undefined && !isPutOff(end, before)
    return new TokenSet({
      ...this,
      refreshToken: this.refreshToken ?? older.refreshToken,
      // The earliest that was said, so that an end that is put off bit by bit does not pass for one that wanders.
      refreshTokenExpiresAt: stays ? Math.min(end, before) : end,
      refreshTokenEndSetAt: stays ? (older.refreshTokenEndSetAt ?? older.obtainedAt ?? this.obtainedAt) : undefined,
      scopes: this.scopes ?? older.scopes,
      extra: { ...older.extra, ...this.extra },
      proofKey: this.proofKey ?? older.proofKey
    })
  }

  /** The same tokens on a clock that is `millis` ahead of this one. */
  shifted(millis: number): TokenSet {
    const shift = (at: number | undefined) => (at === undefined ? undefined : at + millis)
    return new TokenSet({
      ...this,
      obtainedAt: shift(this.obtainedAt),
      expiresAt: shift(this.expiresAt),
      refreshTokenExpiresAt: shift(this.refreshTokenExpiresAt),
      refreshTokenEndSetAt: shift(this.refreshTokenEndSetAt)
    })
  }

  /** The JSON a store keeps. It holds the secrets in the clear: seal it before it goes anywhere. */
  static readonly encode = (tokens: TokenSet): string =>
    encodeJson({
      ...tokens,
      // Older versions take an end at or before 1970 for one that nobody said, and would hand out what is none.
      expiresAt: tokens.hasAccessToken ? later(tokens.expiresAt) : ENDED,
      refreshTokenExpiresAt: later(tokens.refreshTokenExpiresAt)
    })

  /** Reads what `encode` wrote; anything else is none, since an error would quote the secret. */
  static readonly decode = (json: string): Option.Option<TokenSet> =>
    Option.map(
      decodeJson(json),
      (kept) =>
        new TokenSet({
          expiresIn: undefined,
          refreshTokenExpiresIn: undefined,
          ...{ obtainedAt: undefined, refreshTokenEndSetAt: undefined, scopes: undefined, proofKey: undefined },
          ...kept,
          accessToken: redact(kept.accessToken) ?? NONE,
          expiresAt: kept.expiresAt,
          refreshToken: redact(kept.refreshToken),
          refreshTokenExpiresAt: kept.refreshTokenExpiresAt
        })
    )
}

/** What `TokenSet.make` takes. */
export interface TokenSetOptions {
  /** Left out where there is a refresh token alone. */
  readonly accessToken?: Redacted.Redacted | string | undefined
  /** @default "Bearer" */
  readonly tokenType?: string | undefined
  /** How long the access token lives, counted from before it was asked for. */
  readonly expiresIn?: DurationOption | undefined
  /** When the access token ends, in epoch milliseconds; wins over `expiresIn`. */
  readonly expiresAt?: Instant | undefined
  /** When the tokens were asked for, in epoch milliseconds; the provider fills it in. */
  readonly obtainedAt?: number | undefined
  /** Left out, `null` and empty all say that the refresh token, if any, stays as it is. */
  readonly refreshToken?: Redacted.Redacted | string | null | undefined
  readonly refreshTokenExpiresIn?: DurationOption | undefined
  /** When the refresh token ends, in epoch milliseconds; wins over `refreshTokenExpiresIn`. */
  readonly refreshTokenExpiresAt?: Instant | undefined
  /** Since when, in epoch milliseconds, the refresh token has had this end, if for longer than these tokens; the provider fills it in. */
  readonly refreshTokenEndSetAt?: number | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
  /** The private JWK, as JSON, that a DPoP-bound token is used with. */
  readonly proofKey?: Redacted.Redacted | undefined
}

/** A point in time: epoch milliseconds, a `Date` or a `DateTime`. */
export type Instant = number | Date | DateTime.DateTime

const TEN_YEARS = Duration.toMillis("3650 days")
const NONE = secretOf("")
/** An end that each version takes for one. */
const ENDED = 1

const isSecret = (value: unknown) =>
  Predicate.isString(value) || (Redacted.isRedacted(value) && Predicate.isString(Redacted.value(value)))

const at = kind(
  "epoch milliseconds, such as Date.now() + 3_600_000, a Date or a DateTime; for seconds from now, expiresIn: Duration.seconds(3600)",
  (value) =>
    Predicate.isNumber(value)
      ? Number.isFinite(value) && !isSeconds(value)
      : DateTime.isDateTime(value) || (Predicate.isDate(value) && !Number.isNaN(value.getTime()))
)

/** What each option of `TokenSet.make` has to be. */
const tokenSetChecks = {
  accessToken: kind(
    "an access token as text or Redacted, of characters that a header can carry",
    (value) => isSecret(value) && /^[\x21-\x7e]*$/.test(`${Redacted.isRedacted(value) ? Redacted.value(value) : value}`)
  ),
  tokenType: (value, option) =>
    value === "" ? undefined : scheme(Predicate.isString(value) ? value.trim() : value, option),
  expiresIn: duration,
  expiresAt: at,
  obtainedAt: kind("epoch milliseconds", Number.isFinite),
  refreshToken: kind("a refresh token as text or Redacted", (value) => value === null || isSecret(value)),
  refreshTokenExpiresIn: duration,
  refreshTokenExpiresAt: at,
  refreshTokenEndSetAt: kind("epoch milliseconds", Number.isFinite),
  scopes: listing("a list of scopes", string),
  extra: record("values by name", () => undefined),
  proofKey: secret("Redacted.make of a private JWK as JSON")
} satisfies Checks<TokenSetOptions>

const redact = (secret: Redacted.Redacted | string | null | undefined): Redacted.Redacted | undefined => {
  if (secret === null || secret === undefined) return undefined
  const value = typeof secret === "string" ? secret : Redacted.value(secret)
  return value === "" ? undefined : secretOf(value)
}

const canonicalType = (given = ""): string => {
  const type = given.trim()
  switch (type.toLowerCase()) {
    case "":
    case "bearer":
      return "Bearer"
    case "dpop":
      return "DPoP"
    default:
      return type
  }
}

const instant = (given: Instant | undefined): number | undefined =>
  whole(DateTime.isDateTime(given) ? given.epochMillis : given?.valueOf())

const whole = (millis: number | undefined) => (millis === undefined ? undefined : Math.floor(millis))

const later = (millis: number | undefined) => (millis === undefined ? undefined : Math.max(ENDED, millis))

const lifetime = (given: DurationOption | undefined): Duration.Duration | undefined =>
  given === undefined || Duration.toMillis(given) > TEN_YEARS ? undefined : Duration.decode(given)

const TokenSetJson = Schema.parseJson(
  Schema.Struct({
    accessToken: Schema.Redacted(Schema.String),
    tokenType: Schema.String,
    expiresAt: Schema.optional(Schema.Number),
    obtainedAt: Schema.optional(Schema.Number),
    refreshToken: Schema.optional(Schema.Redacted(Schema.String)),
    refreshTokenExpiresAt: Schema.optional(Schema.Number),
    refreshTokenEndSetAt: Schema.optional(Schema.Number),
    scopes: Schema.optional(Schema.Array(Schema.String)),
    extra: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    proofKey: Schema.optional(Schema.Redacted(Schema.String))
  })
)
const encodeJson = Schema.encodeSync(TokenSetJson)
const decodeJson = Schema.decodeUnknownOption(TokenSetJson)

/** Whether an end that was `before` and now is `end`, in epoch milliseconds, was put off, and did not just wander. */
const isPutOff = (end: number, before: number): boolean => end - before > SLACK

// An end that is told as a lifetime wanders by the time that a request takes.
const SLACK = Duration.toMillis("1 minute")
