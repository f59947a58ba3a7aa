import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type Checks, func, oneOf, record } from "../model/Options.js"
import { clean } from "../model/SafeText.js"
import { ClientRejected, GrantRejected, TokenEndpointError } from "../model/TokenError.js"
import type { SourceError } from "../model/TokenSource.js"
import { at } from "./JsonPath.js"
import { type Answer, placeOf } from "./TokenEndpointClient.js"

/** What an answer that is no token means. `lost`: the request may have taken effect, and its answer is lost. */
export type Meaning = "refused" | "client" | "throttled" | "unavailable" | "lost"

/** How errors of one provider are told. */
export interface ErrorOptions {
  /**
   * Finds the error code in a body, also in one that came with 200; undefined where it is no error.
   * @default the field `error`
   */
  readonly errorCode?: ((body: unknown) => string | undefined) | undefined
  /**
   * What codes of this provider mean; they come before the standard ones. A status counts as the code of an answer
   * that has none: `{ bad_refresh_token: "refused", "401": "refused", "Access Denied": "throttled" }`.
   */
  readonly errors?: Readonly<Record<string, Meaning>> | undefined
}

/** What each option of errors has to be. */
export const errorChecks = {
  errorCode: func("a function that finds the error code in a body"),
  errors: record(
    'meanings by code, such as { bad_refresh_token: "refused" }',
    oneOf("refused", "client", "throttled", "unavailable", "lost")
  )
} satisfies Checks<ErrorOptions>

/** Fails with what the error in an answer means, if it is one: whatever its status. */
export const accept = (answer: Answer, options: ErrorOptions): Effect.Effect<void, SourceError> => {
  const failure = failureOf(answer, options)
  return failure === undefined ? Effect.void : Effect.fail(failure)
}

const failureOf = (answer: Answer, options: ErrorOptions): SourceError | undefined => {
  const { headers, now, status } = answer
  const told = codeOf(answer, options)
  if (told === undefined && status >= 200 && status < 300) return undefined
  const declared = options.errors ?? {}
  const meaning =
    (told === undefined ? undefined : (own(declared, told) ?? own(MEANINGS, told))) ??
    own(declared, `${status}`) ??
    own(MEANINGS, `${status}`) ??
    (isElsewhere(answer) ? "client" : "unavailable")
  const code = told === undefined ? undefined : clean(told, answer.secrets, 80)
  const detail = detailOf(answer, code)
  switch (meaning) {
    case "refused":
      return new GrantRejected({ code: code ?? `HTTP ${status}`, status, claims: claimsOf(answer.body) })
    case "client":
      return new ClientRejected({ code: code ?? `HTTP ${status}`, status, detail })
    default:
      return new TokenEndpointError({
        reason: meaning === "lost" ? "timeout" : meaning,
        status,
        code,
        retryAfter: retryAfter(headers["retry-after"], now),
        detail
      })
  }
}

/** What the server said, or else what its answer was, and where it came from unless an error code tells enough. */
const detailOf = (answer: Answer, code: string | undefined): string | undefined => {
  const { body, from, headers, secrets, status } = answer
  const text = description(body)
  const told = text === undefined ? undefined : clean(text, secrets, 200)
  if (code !== undefined) return told
  if (status < 400) {
    const { location } = headers
    const target = location === undefined ? "" : ` to ${placeOf(location, secrets, `https://${from}`)}`
    return `a redirect${target}, not followed, at ${from}`
  }
  const parts = [told ?? STATUSES[status], isHtml(answer) ? "an HTML page" : undefined].filter(Predicate.isNotUndefined)
  return [...parts, `at ${from}`].join(", ")
}

/** Whether somebody answered who speaks to people: a login page, a proxy, a wrong path. */
export const isHtml = ({ body, headers }: Answer): boolean =>
  /^text\/html\b/i.test(headers["content-type"] ?? "") ||
  (Predicate.isString(body) && /^\s*<(?:!doctype|html)/i.test(body))

/** Whether no token endpoint answered, but something that will not become one: a redirect, or a page for people. */
const isElsewhere = (answer: Answer): boolean => {
  const { status } = answer
  const isPassing = status === 403 || status === 408 || status === 425
  return (status >= 300 && status < 400) || (status >= 400 && status < 500 && !isPassing && isHtml(answer))
}

/** The claims that the next login has to ask for (OpenID Connect Core section 5.5): JSON. */
const claimsOf = (body: unknown): string | undefined => {
  const claims = at(body, "claims")
  return Predicate.isString(claims) && claims.startsWith("{") && claims.length <= MOST_CLAIMS ? claims : undefined
}

const MOST_CLAIMS = 4_096

const STATUSES: Readonly<Record<number, string>> = {
  404: "nothing is there",
  405: "the method is not allowed",
  410: "nothing is there any more",
  415: "the form of the body is not accepted"
}

/** The error code in an answer, if it has one. */
export const codeOf = ({ body }: Answer, { errorCode = standardCode }: ErrorOptions): string | undefined =>
  safely(errorCode, body)

/**
 * An error code for answers that tell success in their body: where the value at `path` is none of `good`, the code is
 * what stands at `code`, or that value itself. `failsUnless("ok", [true], "error")`, `failsUnless("code", [0])`.
 */
export const failsUnless =
  (path: string, good: ReadonlyArray<unknown>, code = path) =>
  (body: unknown): string | undefined => {
    const value = at(body, path)
    if (value === undefined || good.includes(value)) return standardCode(body)
    const told = at(body, code)
    return Predicate.isString(told) || Predicate.isNumber(told) ? `${told}` : `${value}`
  }

/** Reads a body with a caller's function; one that did not expect this body has nothing to say about it. */
export const safely = <A>(reader: (body: unknown) => A | undefined, body: unknown): A | undefined =>
  Option.getOrUndefined(Option.liftThrowable(reader)(body))

/** Error codes (RFC 6749 section 5.2, RFC 7591 section 3.2.2, RFC 8628 section 3.5, RFC 8693 section 2.2.2, RFC 9449 section 5, OpenID Connect Core section 3.1.2.6), then statuses. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  invalid_grant: "refused",
  // A person has to do something.
  interaction_required: "refused",
  login_required: "refused",
  consent_required: "refused",
  account_selection_required: "refused",
  invalid_client: "client",
  unauthorized_client: "client",
  unsupported_grant_type: "client",
  unsupported_token_type: "client",
  invalid_scope: "client",
  invalid_request: "client",
  invalid_target: "client",
  invalid_client_metadata: "client",
  invalid_dpop_proof: "client",
  server_error: "unavailable",
  temporarily_unavailable: "unavailable",
  use_dpop_nonce: "unavailable",
  slow_down: "throttled",
  "401": "client",
  "404": "client",
  "405": "client",
  "410": "client",
  "415": "client",
  "429": "throttled",
  // A gateway gave up waiting for a server that may still be at work, or done.
  "504": "lost",
  "524": "lost"
}

const own = (meanings: Readonly<Record<string, Meaning>>, code: string): Meaning | undefined =>
  Object.hasOwn(meanings, code) ? meanings[code] : undefined

const standardCode = (body: unknown): string | undefined => {
  const error = at(body, "error")
  const code = Predicate.isRecord(error) ? (error.code ?? error.type ?? "error") : error
  if (code === true) return "error"
  return (Predicate.isString(code) && code !== "") || (Predicate.isNumber(code) && code !== 0) ? `${code}` : undefined
}

const description = (body: unknown): string | undefined =>
  ["error_description", "error.message", "message"].map((path) => at(body, path)).find(Predicate.isString)

const DAY = Duration.toMillis("1 day")

/** Both forms of RFC 9110 section 10.2.3, as milliseconds, a day at most. */
const retryAfter = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  const wait = /^\s*\d+(?:\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(Math.ceil(wait), 0), DAY)
}
