import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"

/**
 * Repeats a statement that had no effect since it met another one, or since another connection has SQLite's lock. The
 * process goes on meanwhile: SQLite's own way of waiting would stop it.
 */
export const retryConflicts = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, { schedule: CONFLICTS, while: isConflict })

/** How long a statement is repeated: a little less than a store may take for an answer. */
export const PATIENCE = Duration.seconds(9)

const CONFLICTS = Schedule.exponential("2 millis").pipe(
  Schedule.union(Schedule.spaced("50 millis")),
  Schedule.jittered,
  Schedule.upTo(PATIENCE)
)

const isConflict = (error: unknown): boolean =>
  hasCode(error, (code) => CONFLICT_CODES.has(code) || (Predicate.isString(code) && LOCKED.test(code))) ||
  hasCode(error, (code) => code === 5 || code === 6, "errcode")

/** Serialization failures and deadlocks, as PostgreSQL, MySQL and MariaDB name them. */
const CONFLICT_CODES = new Set<unknown>(["40001", "40P01", "ER_LOCK_DEADLOCK", "ER_CHECKREAD"])
/** SQLite: another connection has the lock. Some drivers have names, others only numbers. */
const LOCKED = /^SQLITE_(?:BUSY|LOCKED)/

/** Whether `error`, or what caused it, has a code that `holds` is true of. */
export const hasCode = (error: unknown, holds: (code: unknown) => boolean, name = "code"): boolean => {
  for (let at = error; Predicate.isRecord(at); at = at.cause) {
    if (holds(at[name])) return true
  }
  return false
}
