import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as AST from "effect/SchemaAST"
import { listOf, nearest } from "../model/Options.js"
import { InvalidOption } from "../model/TokenError.js"
import { ProviderProfile } from "./ProviderProfile.js"

/** A profile, or the part of it that is wrong. Nothing of it is quoted. */
export const decodeProfile = (profile: unknown): Either.Either<ProviderProfile, InvalidOption> =>
  Either.mapLeft(decode(profile), (issue) => {
    const { expected, path } = wrongIn(issue)
    return new InvalidOption({ option: ["profile", ...path].join("."), expected })
  })

const decode = ParseResult.decodeUnknownEither(ProviderProfile, { onExcessProperty: "error" })

/** What is wrong in JSON that does not decode: where, and what would be right. */
export const wrongIn = (
  issue: ParseResult.ParseIssue
): { readonly path: ReadonlyArray<string>; readonly expected: string } => {
  const found = unexpected(issue, [])
  if (found !== undefined) return found
  const issues = ParseResult.ArrayFormatter.formatIssueSync(issue)
  // Of the kinds that a part may be, the one that came furthest was meant.
  const path = issues
    .map((one) => one.path.map(String))
    .reduce((best, one) => (one.length > best.length ? one : best), [])
  const same = issues.filter((other) => other.path.join("/") === path.join("/"))
  const told = [
    ...new Set(same.map(({ _tag, message }) => (_tag === "Missing" ? "it: it is missing" : expectedOf(message))))
  ]
  return { path, expected: told.join(", or ") }
}

const expectedOf = (message: string): string =>
  (message.split(/,? actual /)[0] ?? "").split("\n")[0]?.replace(/^expected /i, "") ?? ""

/** The first name in it that nobody knows. */
const unexpected = (
  issue: ParseResult.ParseIssue,
  path: ReadonlyArray<string>,
  known: ReadonlyArray<string> = []
): { readonly path: ReadonlyArray<string>; readonly expected: string } | undefined => {
  switch (issue._tag) {
    case "Unexpected": {
      const name = path.at(-1) ?? ""
      const near = nearest(name, known)
      if (near !== undefined) return { path, expected: `a known name; did you mean "${near}"?` }
      return { path, expected: known.length === 0 ? "a name of letters and digits" : `one of ${listOf(known)}` }
    }
    case "Pointer": {
      const more = Array.isArray(issue.path) ? issue.path : [issue.path]
      return unexpected(issue.issue, [...path, ...more.map(String)], known)
    }
    case "Composite": {
      const issues = Array.isArray(issue.issues) ? issue.issues : [issue.issues]
      for (const one of issues) {
        const found = unexpected(one, path, namesOf(issue.ast))
        if (found !== undefined) return found
      }
      return undefined
    }
    case "Refinement":
    case "Transformation":
      return unexpected(issue.issue, path, known)
    default:
      return undefined
  }
}

const namesOf = (ast: AST.AST): ReadonlyArray<string> =>
  ast._tag === "TypeLiteral" ? ast.propertySignatures.map(({ name }) => String(name)) : []
