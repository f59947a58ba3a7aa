import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import { listOf } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import { ProviderProfile } from "./ProviderProfile.js"
import { unknownName } from "./unknownName.js"

/** A profile, or the part of it that is wrong. No value of it is quoted. */
export const decodeProfile = (profile: unknown): Either.Either<ProviderProfile, InvalidOption> =>
  Either.flatMap(
    // Not every object can be told as text, which decoding does.
    Either.try({ try: () => decode(profile), catch: () => wrong([], "an object of JSON") }),
    Either.mapLeft(wrongIn)
  )

const decode = ParseResult.decodeUnknownEither(ProviderProfile, { onExcessProperty: "error" })

const wrong = (path: ReadonlyArray<PropertyKey>, expected: string) =>
  new InvalidOption({ option: ["profile", ...path].map(String).join("."), expected })

const wrongIn = (issue: ParseResult.ParseIssue): InvalidOption => {
  const unknown = unknownName(issue)
  if (unknown !== undefined) {
    const { known, near, path } = unknown
    if (near !== undefined) return wrong(path, `a known name; did you mean "${near}"?`)
    return wrong(path, known.length === 0 ? "a name of letters and digits" : `one of ${listOf(known)}`)
  }
  const issues = ParseResult.ArrayFormatter.formatIssueSync(issue)
  // Of the kinds that a part may be, the one that came furthest was meant.
  const path = issues.map((one) => one.path).reduce((best, one) => (one.length > best.length ? one : best), [])
  const same = issues.filter((other) => other.path.join("/") === path.join("/"))
  return wrong(path, [...new Set(same.map(expectedOf))].join(", or "))
}

const expectedOf = ({ _tag, message }: ParseResult.ArrayFormatterIssue): string => {
  const [said = ""] = message.split(/,? actual |\n/)
  return _tag === "Missing" ? "it: it is missing" : said.replace(/^expected /i, "")
}
