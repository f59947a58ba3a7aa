import * as Predicate from "effect/Predicate"

/** Why the database at `address` cannot be used, in words that hold no password. */
export const problemOf = (address: string, error: unknown): string => {
  const code = codeOf(error)
  if (address.startsWith("file:")) {
    return `the file ${address.replace(/^file:(?:\/\/)?/, "")} cannot be opened${FILES.get(code) ?? inBrackets(code)}`
  }
  const host = URL.canParse(address) ? new URL(address).host : ""
  const at = host === "" ? "" : ` at ${host}`
  return REFUSED.has(code)
    ? `the database${at} refuses the user, or the password`
    : ABSENT.has(code)
      ? `there is no database of this name${at}`
      : `the database cannot be reached${at}${inBrackets(code)}`
}

const inBrackets = (code: string) => (code === "" ? "" : ` (${code})`)

/** What Node or a driver calls it. */
const codeOf = (error: unknown): string => {
  for (let at = error; Predicate.isRecord(at); at = at.cause) {
    if (Predicate.isString(at.code) && /^\w{1,80}$/.test(at.code)) return at.code
  }
  return ""
}

const MAY_NOT = ": this user may not write there"
const FILES: ReadonlyMap<string, string> = new Map([
  ["ENOENT", ": its folder is not there"],
  ["EISDIR", ": it is a folder"],
  ["EACCES", MAY_NOT],
  ["EPERM", MAY_NOT],
  ["EROFS", MAY_NOT],
  ["SQLITE_CANTOPEN", ": it is no file that can be written"],
  ["SQLITE_NOTADB", ": it is no SQLite database"]
])

/** PostgreSQL, then MySQL and MariaDB. */
const REFUSED = new Set([
  ...["28P01", "28000"],
  ...["ER_ACCESS_DENIED_ERROR", "ER_ACCESS_DENIED_NO_PASSWORD_ERROR", "ER_DBACCESS_DENIED_ERROR"]
])
const ABSENT = new Set(["3D000", "ER_BAD_DB_ERROR"])
