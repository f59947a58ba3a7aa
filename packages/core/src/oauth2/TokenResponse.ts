import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { type Checks, func, listing, nested, scheme, text } from "../model/Options.js"
import { TokenEndpointError } from "../model/TokenError.js"
import { TokenSet, type TokenSetOptions } from "../model/TokenSet.js"
import type { SourceError } from "../model/TokenSource.js"
import { accept, type ErrorOptions, errorChecks, isHtml, safely } from "./ErrorResponse.js"
import * as Expiry from "./Expiry.js"
import { at, HEADER, WHOLE } from "./JsonPath.js"
import type { Answer, Send } from "./TokenEndpointClient.js"

/** How to read what a token endpoint answers. */
export interface AnswerOptions extends ErrorOptions {
  /**
   * Where the lifetime of the access token is written.
   * @default Expiry.seconds("expires_in")
   */
  readonly expiry?: Expiry.Expiry | undefined
  /**
   * Where the lifetime of the refresh token is written.
   * @default seconds in `refresh_token_expires_in`, `x_refresh_token_expires_in` or `refresh_expires_in`
   */
  readonly refreshExpiry?: Expiry.Expiry | undefined
  /**
   * The scheme the access token goes by in `Authorization`, whatever the answer calls it: `Zoho-oauthtoken`.
   * @default what `token_type` says, else `Bearer`
   */
  readonly tokenType?: string | undefined
  /** Where the fields of an answer are, if not under the names of RFC 6749 section 5.1. */
  readonly fields?: AnswerFields | undefined
  /** Other fields of the answer that callers need: kept with the token, under these names, in `extra`. Never a secret. */
  readonly keep?: ReadonlyArray<string> | undefined
  /**
   * Makes of an answer's text what all else here reads it from, for answers in a form of their own, such as XML. Where it
   * throws or gives undefined, the answer is read as JSON, as a form or as text.
   */
  readonly parse?: ((text: string) => unknown) | undefined
}

const EXPIRY = func('a reader of the answer, such as Expiry.seconds("expires_in") or Expiry.fixed("1 hour")')

/** What each option of answers has to be. */
export const answerChecks = {
  ...errorChecks,
  expiry: EXPIRY,
  refreshExpiry: EXPIRY,
  tokenType: scheme,
  fields: nested({
    accessToken: text(),
    tokenType: text(),
    refreshToken: text(),
    scope: text()
  } satisfies Checks<AnswerFields>),
  keep: listing("a list of names", text()),
  parse: func("a function that reads the text of an answer")
} satisfies Checks<AnswerOptions>

/** The tokens in an answer, or what its error means. An error is an error whatever its status. */
export const readAnswer = (
  answer: Answer,
  options: AnswerOptions,
  read: (fields: unknown, body: unknown) => TokenSetOptions | undefined
): Effect.Effect<TokenSet, SourceError> =>
  Effect.flatMap(accept(answer, options), () => {
    const { body, from, status } = answer
    const tokens = read(fieldsOf(answer), withHeaders(answer))
    const what = Predicate.isObject(body)
      ? "no usable access token in the answer"
      : isHtml(answer)
        ? "an HTML page instead of JSON or a form"
        : "the body is neither JSON nor a form"
    const detail = `${what}, at ${from}`
    return tokens !== undefined && hasToken(tokens)
      ? Effect.sync(() => corrected(TokenSet.make(tokens), answer))
      : new TokenEndpointError({ reason: "unreadable", status, detail })
  })

/** Over `send`, with bodies as the options read them. */
export const parsing = (send: Send, { parse }: AnswerOptions): Send => {
  if (parse === undefined) return send
  const read = (text: unknown) => parse(`${text}`)
  return (request) =>
    Effect.map(send(request), (answer) => ({ ...answer, body: safely(read, answer.text) ?? answer.body }))
}

/** The body with each header as a field `header:name`, so that a path may name either. What is no object stays as it is. */
const withHeaders = ({ body, headers }: Answer): unknown =>
  body === undefined || Predicate.isRecord(body)
    ? { ...body, ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [`${HEADER}${name}`, value])) }
    : body

/** The same, and all of the body where that is one text, as it stands or as JSON. */
const fieldsOf = (answer: Answer): unknown => {
  const { body, text } = answer
  if (Array.isArray(body) || isHtml(answer)) return withHeaders(answer)
  const isForm = Predicate.isRecord(body) && !text.trimStart().startsWith("{")
  const whole = Predicate.isString(body) ? body : isForm || Predicate.isNumber(body) ? text : undefined
  const fields = Predicate.isRecord(body) ? body : undefined
  return Object.assign({ [WHOLE]: whole?.trim() }, withHeaders({ ...answer, body: fields }))
}

/** Reads the field names of RFC 6749 section 5.1, leniently: what real servers leave out or spell differently is no error. */
export const readFields =
  (options: AnswerOptions) =>
  (body: unknown): TokenSetOptions => {
    const { fields = {} } = options
    const text = (path: string | undefined, otherwise: string) => {
      const value = at(body, path ?? otherwise)
      return Predicate.isString(value) ? value : undefined
    }
    const lifetime = safely(options.expiry ?? DEFAULT_EXPIRY, body)
    const refreshLifetime = safely(options.refreshExpiry ?? DEFAULT_REFRESH_EXPIRY, body)
    return {
      accessToken: text(fields.accessToken, "access_token") ?? "",
      tokenType: options.tokenType ?? tokenType(text(fields.tokenType, "token_type")),
      expiresIn: lifetime?.expiresIn,
      expiresAt: lifetime?.expiresAt,
      refreshToken: text(fields.refreshToken, "refresh_token"),
      refreshTokenExpiresIn: refreshLifetime?.expiresIn,
      refreshTokenExpiresAt: refreshLifetime?.expiresAt,
      scopes: scopes(at(body, fields.scope ?? "scope")),
      extra: kept(body, options.keep ?? [])
    }
  }

/**
 * Where the fields of an answer are: a name, a path with dots (`data.token`), a header (`header:X-Auth-Token`), or `$` for
 * the whole of an answer that is one text.
 */
export interface AnswerFields {
  /** @default "access_token" */
  readonly accessToken?: string | undefined
  /** @default "token_type" */
  readonly tokenType?: string | undefined
  /** @default "refresh_token" */
  readonly refreshToken?: string | undefined
  /** @default "scope" */
  readonly scope?: string | undefined
}

const DEFAULT_EXPIRY = Expiry.seconds("expires_in")
const DEFAULT_REFRESH_EXPIRY = Expiry.first(
  Expiry.seconds("refresh_token_expires_in"),
  Expiry.seconds("x_refresh_token_expires_in"),
  Expiry.seconds("refresh_expires_in")
)

// What no header can carry is no token.
const hasToken = ({ accessToken = "" }: TokenSetOptions): boolean =>
  /^[\x21-\x7e]+$/.test(Redacted.isRedacted(accessToken) ? `${Redacted.value(accessToken)}` : accessToken)

/** What cannot be a scheme says nothing of the token. */
const tokenType = (type: string | undefined) => (scheme(type?.trim(), "tokenType") === undefined ? type : undefined)

const scopes = (value: unknown): ReadonlyArray<string> | undefined => {
  const list = Predicate.isString(value)
    ? value.split(/[\s,]+/)
    : Array.isArray(value)
      ? value.filter(Predicate.isString)
      : []
  const named = list.filter((scope) => scope !== "")
  return named.length === 0 ? undefined : named
}

const kept = (body: unknown, names: ReadonlyArray<string>): Record<string, unknown> => {
  const extra: Record<string, unknown> = {}
  for (const name of names) {
    const value = at(body, name)
    if (value !== undefined && value !== null) extra[name] = value
  }
  return extra
}

/** Ends that the server gave as points in time, on our clock where the two differ. */
const corrected = (tokens: TokenSet, { headers, now }: Answer): TokenSet => {
  const ahead = Date.parse(headers.date ?? "") - now
  if (Number.isNaN(ahead) || Math.abs(ahead) < 30_000) return tokens
  const shift = (at: number | undefined) => (at === undefined ? undefined : at - ahead)
  const [expiresAt, refreshTokenExpiresAt] = [shift(tokens.expiresAt), shift(tokens.refreshTokenExpiresAt)]
  return new TokenSet({ ...tokens, expiresAt, refreshTokenExpiresAt })
}
