import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { FakeAuthority } from "./FakeAuthority.js"

/** What a test found otherwise than it says. Thrown, so that each test runner takes it for a failure. */
export class AssertionFailed extends Data.TaggedError("AssertionFailed")<{ readonly message: string }> {}

/** Anything that holds one token: its text, a `Redacted`, an `AccessToken`, or a `TokenSet`, whose access token counts. */
export type TokenLike =
  | string
  | Redacted.Redacted
  | { readonly value: Redacted.Redacted }
  | { readonly accessToken: Redacted.Redacted }

/**
 * Throws unless both are the same token. Deep equality is no such test: it takes any two `Redacted` for equal.
 *
 * @example
 * ```ts
 * const fake = FakeTokenSource.make()
 * const provider = yield* TokenProvider.make({ key: "mine", source: fake.source })
 * assertSameToken(yield* provider.get, "access-1")
 * ```
 */
export const assertSameToken = (actual: TokenLike | undefined, expected: TokenLike | undefined): void => {
  const [is, wanted] = [secretOf(actual, "the first"), secretOf(expected, "the second")]
  if (is !== wanted) fail(`expected the token ${shown(wanted)}, but it is ${shown(is)}`)
}

/** Throws where both are the same token. */
export const assertOtherToken = (actual: TokenLike | undefined, other: TokenLike | undefined): void => {
  const [is, one] = [secretOf(actual, "the first"), secretOf(other, "the second")]
  if (is === one) fail(`expected another token than ${shown(one)}, but it is the same`)
}

/** Throws unless tokens were asked for so often. */
export const assertPosts = ({ log, posts }: Seen, expected: number): void => {
  const told = log.map(({ by, outcome, presented }) => `\n  ${[by, presented, outcome].filter(Boolean).join(" ")}`)
  if (posts() !== expected) fail(`expected ${expected} token requests, but there were ${posts()}:${told.join("")}`)
}

/** Throws where a refresh token came that had been used, and where none came at all, since then nothing was shown. */
export const assertNoReuse = ({ log, reuses }: Seen): void => {
  if (reuses() > 0) fail(`a refresh token that had been used was presented again, ${reuses()} times`)
  if (!log.some(({ by, presented }) => by === "refresh" && presented !== undefined && presented !== "")) {
    fail("no refresh token was presented, so that nobody knows whether one would have been used twice")
  }
}

/**
 * Throws where `text` holds one of `secrets`, or one of the tokens that a fake gave: as it is, percent-encoded, in
 * base64 or in JSON. Throws as well where there is no text, or no secret that could be in it.
 */
export const assertNoSecret = (text: string, secrets: Seen | ReadonlyArray<TokenLike>): void => {
  const all = "issued" in secrets ? secrets.issued() : secrets.map((secret) => secretOf(secret, "a secret"))
  if (!Predicate.isString(text) || text === "") fail("there is no text that could hold a secret")
  if (all.length === 0) fail("there is no secret that could be in the text")
  for (const [nth, secret] of all.entries()) {
    const found = formsOf(secret).find(([, form]) => text.includes(form))
    if (found !== undefined) fail(`the text holds secret ${nth + 1} of ${all.length}, ${found[0]}`)
  }
}

/** What a fake has seen. */
type Seen = Pick<FakeAuthority<never>, "log" | "posts" | "reuses" | "issued">

const secretOf = (token: TokenLike | undefined, which: string): string => {
  const inside = Predicate.isRecord(token) && !Redacted.isRedacted(token) ? token : { value: token }
  const value: unknown = "accessToken" in inside ? inside.accessToken : inside.value
  const secret: unknown = Redacted.isRedacted(value) ? Redacted.value(value) : value
  return Predicate.isString(secret) && secret !== "" ? secret : fail(`${which} is no token`)
}

/** A fake's token is no secret; of any other its length is told. */
const shown = (secret: string): string =>
  /^\w+-\d{1,6}$/.test(secret) ? secret : `of ${secret.length} characters that is not shown`

const formsOf = (secret: string): ReadonlyArray<readonly [string, string]> => {
  const bytes = new TextEncoder().encode(secret)
  const base64 = btoa(String.fromCharCode(...bytes)).replace(/=+$/, "")
  return [
    ["as it is", secret],
    ["percent-encoded", encodeURIComponent(secret)],
    ["in JSON", JSON.stringify(secret).slice(1, -1)],
    ["in base64", base64],
    ["in base64url", base64.replaceAll("+", "-").replaceAll("/", "_")]
  ]
}

const fail = (message: string): never => {
  throw new AssertionFailed({ message })
}
