import { TokenStoreError } from "@evertoken/core"
import * as Predicate from "effect/Predicate"
import { hasCode } from "./Conflicts.js"

/** What of `table`, or of the right to it, is missing, where that is why the database refused; else undefined. */
export const setupOf = (error: unknown, table: string): TokenStoreError | undefined => {
  const detail = isDenied(error)
    ? `the database does not permit it${place(error)}. Grant SELECT, INSERT, UPDATE and DELETE on ${table} and the two ` +
      "tables named after it, and CREATE to make them; or make them by SqlTokenStore.migrate as another user, and pass migrate: false"
    : hasCode(error, (code) => ABSENT.has(code)) || says(error, /^no such (?:table|column)\b/)
      ? `${table} is not there, or older than this program. Run SqlTokenStore.migrate with the same table and schema, or leave out migrate: false`
      : undefined
  return detail === undefined ? undefined : new TokenStoreError({ reason: "setup", detail })
}

/** Whether the database refused since the user has no right to do this. */
export const isDenied = (error: unknown): boolean =>
  hasCode(error, (code) => DENIED.has(code) || (Predicate.isString(code) && code.startsWith("SQLITE_READONLY")))

/** PostgreSQL, then MySQL and MariaDB. */
const DENIED = new Set<unknown>([
  "42501",
  "ER_DBACCESS_DENIED_ERROR",
  "ER_TABLEACCESS_DENIED_ERROR",
  "ER_COLUMNACCESS_DENIED_ERROR"
])

/** No such table, schema or column. */
const ABSENT = new Set<unknown>(["42P01", "3F000", "42703", "ER_NO_SUCH_TABLE", "ER_BAD_FIELD_ERROR"])

/** What the right is missing to, in PostgreSQL's words, which hold names alone: "permission denied for schema public". */
const place = (error: unknown): string => {
  const said = messages(error).find((message) => PLACE.test(message))
  return said === undefined ? "" : ` (${said})`
}

const PLACE = /^permission denied for (?:database|schema|table|sequence) \w{1,63}$/

const says = (error: unknown, words: RegExp): boolean => messages(error).some((message) => words.test(message))

const messages = (error: unknown): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let at = error; Predicate.isRecord(at); at = at.cause) if (Predicate.isString(at.message)) found.push(at.message)
  return found
}
