import type * as ParseResult from "effect/ParseResult"
import type * as AST from "effect/SchemaAST"
import { nearest } from "../model/Options.js"

/** A name in JSON that its schema does not know. */
export interface UnknownName {
  readonly path: ReadonlyArray<PropertyKey>
  /** The names that the schema knows there. */
  readonly known: ReadonlyArray<string>
  /** The one that was probably meant. */
  readonly near: string | undefined
}

/** The first name that a schema does not know, where that is why JSON did not decode. */
export const unknownName = (
  issue: ParseResult.ParseIssue,
  path: ReadonlyArray<PropertyKey> = [],
  known: ReadonlyArray<string> = []
): UnknownName | undefined => {
  switch (issue._tag) {
    case "Unexpected":
      return { path, known, near: nearest(String(path.at(-1) ?? ""), known) }
    case "Pointer":
      return unknownName(issue.issue, [...path, ...(isList(issue.path) ? issue.path : [issue.path])], known)
    case "Composite": {
      for (const one of isList(issue.issues) ? issue.issues : [issue.issues]) {
        const found = unknownName(one, path, namesOf(issue.ast))
        if (found !== undefined) return found
      }
      return undefined
    }
    case "Refinement":
    case "Transformation":
      return unknownName(issue.issue, path, known)
    default:
      return undefined
  }
}

const namesOf = (ast: AST.AST): ReadonlyArray<string> =>
  ast._tag === "TypeLiteral" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const isList = <A>(value: A | ReadonlyArray<A>): value is ReadonlyArray<A> => Array.isArray(value)
