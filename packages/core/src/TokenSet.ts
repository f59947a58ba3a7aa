import { Data, Duration, Option, Redacted, Schema } from "effect"
import { isPutOff } from "./Ending.js"

/** What a token endpoint answered (RFC 6749 section 5.1). Its secrets are `Redacted` and stay so. */
export class TokenSet extends Data.Class<{
  /** The access token; an empty one makes the answer unreadable. */
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
  /** Builds a token set. A lifetime that is zero, negative, not a number or over ten years counts as not given. */
  static readonly make = (options: TokenSetOptions): TokenSet =>
    new TokenSet({
      accessToken: redact(options.accessToken) ?? Redacted.make(""),
      tokenType: canonicalType(options.tokenType),
      expiresIn: lifetime(options.expiresIn),
      expiresAt: instant(options.expiresAt),
      obtainedAt: options.obtainedAt,
      refreshToken: redact(options.refreshToken),
      refreshTokenExpiresIn: lifetime(options.refreshTokenExpiresIn),
      refreshTokenExpiresAt: instant(options.refreshTokenExpiresAt),
      refreshTokenEndSetAt: options.refreshTokenEndSetAt,
      scopes: options.scopes,
      extra: options.extra ?? {},
      proofKey: options.proofKey
    })

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
  static readonly encode = (tokens: TokenSet): string => encodeJson(tokens)

  /** Reads what `encode` wrote; anything else is none, since an error would quote the secret. */
  static readonly decode = (json: string): Option.Option<TokenSet> =>
    Option.map(
      decodeJson(json),
      (kept) =>
        new TokenSet({
          ...TokenSet.make(kept),
          expiresAt: kept.expiresAt,
          refreshTokenExpiresAt: kept.refreshTokenExpiresAt
        })
    )
}

/** What `TokenSet.make` takes. */
export interface TokenSetOptions {
  readonly accessToken: Redacted.Redacted | string
  /** @default "Bearer" */
  readonly tokenType?: string | undefined
  /** How long the access token lives, counted from before it was asked for. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /** When the access token ends, in epoch milliseconds; wins over `expiresIn`. */
  readonly expiresAt?: number | undefined
  /** When the tokens were asked for, in epoch milliseconds; the provider fills it in. */
  readonly obtainedAt?: number | undefined
  /** Left out, `null` and empty all say that the refresh token, if any, stays as it is. */
  readonly refreshToken?: Redacted.Redacted | string | null | undefined
  readonly refreshTokenExpiresIn?: Duration.DurationInput | undefined
  /** When the refresh token ends, in epoch milliseconds; wins over `refreshTokenExpiresIn`. */
  readonly refreshTokenExpiresAt?: number | undefined
  /** Since when, in epoch milliseconds, the refresh token has had this end, if for longer than these tokens; the provider fills it in. */
  readonly refreshTokenEndSetAt?: number | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
  /** The private JWK, as JSON, that a DPoP-bound token is used with. */
  readonly proofKey?: Redacted.Redacted | undefined
}

const TEN_YEARS = Duration.toMillis("3650 days")

const redact = (secret: Redacted.Redacted | string | null | undefined): Redacted.Redacted | undefined => {
  if (secret === null || secret === undefined) return undefined
  const redacted = typeof secret === "string" ? Redacted.make(secret) : secret
  return Redacted.value(redacted) === "" ? undefined : redacted
}

const canonicalType = (type: string | undefined): string =>
  type === undefined || type === "" || type.toLowerCase() === "bearer" ? "Bearer" : type

const instant = (millis: number | undefined): number | undefined =>
  millis !== undefined && Number.isFinite(millis) && millis > 0 ? Math.floor(millis) : undefined

const lifetime = (input: Duration.DurationInput | undefined): Duration.Duration | undefined =>
  Option.getOrUndefined(
    Option.filter(Duration.decodeUnknown(input), (duration) => {
      const millis = Duration.toMillis(duration)
      return millis > 0 && millis <= TEN_YEARS
    })
  )

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
