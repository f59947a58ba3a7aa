import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** What a path begins with that names a header of the answer. */
export const HEADER = "header:"

/** The path of all that an answer says, where that is one text. */
export const WHOLE = "$"

/** The value under a name, or under a path with dots between: `data.token`, `errors.0.code`; or of a header. */
export const at = (answer: unknown, path: string): unknown => {
  if (!Predicate.isObject(answer)) return undefined
  if (path.startsWith(HEADER)) return own(answer, path.toLowerCase())
  if (Object.hasOwn(answer, path)) return own(answer, path)
  const dot = path.indexOf(".")
  return dot > 0 ? at(own(answer, path.slice(0, dot)), path.slice(dot + 1)) : undefined
}

/** Reads JSON; none where it is not, since an error would quote its input. */
export const parseJson = Schema.decodeUnknownOption(Schema.parseJson())

const own = (owner: object, name: string): unknown => Object.getOwnPropertyDescriptor(owner, name)?.value
