import type * as Schema from "effect/Schema"
import { listOf, nearest } from "../model/Options.js"

/** What a part of a profile should be. */
export const issue = (path: ReadonlyArray<string>, expected: string): Schema.FilterIssue => ({
  path,
  message: `expected ${expected}`
})

/** What would be right in place of a name that nothing stands for. It is not repeated: it may be part of a secret. */
export const namedBy = (name: string, names: ReadonlyArray<string>): string => {
  const near = nearest(name, names)
  if (near !== undefined) return `names in braces that are known here; did you mean "{${near}}"?`
  return `no other names in braces than ${names.length === 0 ? "none" : listOf(names.map((one) => `{${one}}`))}`
}
