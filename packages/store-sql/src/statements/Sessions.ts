import { SqlClient, type SqlConnection, type SqlError } from "@effect/sql"
import { TokenStoreError } from "@evertoken/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { hasCode, retryConflicts } from "./Conflicts.js"
import { setupOf } from "./Setup.js"
import { outsideTransaction } from "./Statements.js"

/** Runs one statement outside of the caller's transaction, and again where it had no effect. */
export type Run = <A, E>(statement: Effect.Effect<A, E>) => Effect.Effect<A, E | SqlError.SqlError | TokenStoreError>

/** The same on one session, once. */
type Once = <A, E>(statement: Effect.Effect<A, E>) => Effect.Effect<A, E | SqlError.SqlError>

/**
 * Runs each statement on a session of the client's pool, and closes those that cannot be relied on:
 * - One whose statement was interrupted, since the answer may never come, and the next statement would wait behind it.
 * - One that answers but cannot write, since its server was demoted, or that is stuck in a failed transaction. The
 *   statement had no effect, and is tried on a new one.
 * - After either, those that were opened before and have not answered since.
 */
export const sessions = (sql: SqlClient.SqlClient, table: string): Run => {
  const once: Once = sql.onDialectOrElse({
    // One connection, in this process, which gives each answer before it returns.
    sqlite: () => outsideTransaction,
    mysql: () => pooled(sql, MYSQL),
    orElse: () => pooled(sql, undefined)
  })
  return (statement) =>
    Effect.mapError(retryConflicts(once(statement)), (error) => setupOf(error, table) ?? keyThatCannotBeKept(error))
}

/**
 * A database with another encoding than UTF-8 cannot keep every key. All else that is written is ASCII, so what has no
 * equivalent there (22P05) is the key.
 */
const keyThatCannotBeKept = <E>(error: E): E | TokenStoreError =>
  hasCode(error, (code) => code === "22P05")
    ? new TokenStoreError({ reason: "key", detail: "the database's encoding has no such characters; make one in UTF8" })
    : error

/**
 * Sent first in each session. Without autocommit, what was written would be rolled back with the session; and a server
 * goes on waiting for a lock after its client has given up.
 */
const MYSQL = `SET SESSION autocommit = 1, innodb_lock_wait_timeout = LEAST(@@innodb_lock_wait_timeout, 10),
  lock_wait_timeout = LEAST(@@lock_wait_timeout, 10)`

const pooled = (sql: SqlClient.SqlClient, greeting: string | undefined): Once => {
  let doubts = 0
  /** How many doubts there had been when a session last answered. */
  const answered = new WeakMap<object, number>()

  const open: Effect.Effect<Opened, SqlError.SqlError> = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    const connection = yield* Effect.onError(Scope.extend(sql.reserve, scope), () => close)
    const session = sessionOf(connection)
    const before = session === undefined ? undefined : answered.get(session.driver)
    if (session !== undefined && before !== undefined && before < doubts) {
      session.end()
      return yield* Effect.zipRight(close, open)
    }
    const greet =
      greeting === undefined || before !== undefined
        ? Effect.void
        : connection.executeUnprepared(greeting, [], undefined)
    return { connection, session, greet, close, old: before !== undefined }
  })

  const once = <A, E>(
    statement: Effect.Effect<A, E>
  ): Effect.Effect<Outcome<A, E | SqlError.SqlError>, SqlError.SqlError> =>
    Effect.suspend(() => {
      let abandoned = false
      let using: { readonly session: Session | undefined; readonly since: number } | undefined
      const whole = Effect.gen(function* () {
        const { close, connection, greet, old, session } = yield* open
        if (abandoned) return yield* Effect.zipRight(close, Effect.interrupt)
        using = { session, since: yield* Clock.currentTimeMillis }
        const exit = yield* Effect.zipRight(greet, statement).pipe(
          Effect.provideService(SqlClient.TransactionConnection, [connection, 0]),
          Effect.interruptible,
          Effect.exit
        )
        using = undefined
        const unfit = Exit.isFailure(exit) && hasCode(Cause.squash(exit.cause), (code) => UNFIT.has(code))
        if (unfit) {
          doubts++
          session?.end()
        } else if (session !== undefined && !abandoned) answered.set(session.driver, doubts)
        yield* close
        return { exit, again: unfit && old }
      })
      const abandon = (fiber: Fiber.RuntimeFiber<unknown, unknown>) =>
        Effect.gen(function* () {
          abandoned = true
          if (using === undefined) return
          if ((yield* Clock.currentTimeMillis) - using.since >= LATE) doubts++
          using.session?.end()
          if (using.session?.settles !== true) yield* Fiber.interruptFork(fiber)
        })
      // Whoever waits may go at once; what was begun here ends by itself, and gives its session back or closes it.
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.forkDaemon(whole), (fiber) =>
          Effect.onInterrupt(restore(Fiber.join(fiber)), () => abandon(fiber))
        )
      )
    })

  return (statement) =>
    Effect.flatMap(once(statement), ({ again, exit }) =>
      again ? Effect.flatMap(once(statement), (second) => second.exit) : exit
    )
}

interface Opened {
  readonly connection: SqlConnection.Connection
  readonly session: Session | undefined
  /** Sets up a session that has not answered yet. */
  readonly greet: Effect.Effect<unknown, SqlError.SqlError>
  /** Gives the session back to the pool, which drops it where it was ended. */
  readonly close: Effect.Effect<void>
  /** Whether it has answered before. */
  readonly old: boolean
}

interface Outcome<A, E> {
  readonly exit: Exit.Exit<A, E>
  /** Whether the session was no longer fit, so that a new one may do better. */
  readonly again: boolean
}

/** Milliseconds after which an answer that did not come says something about the other sessions too. */
const LATE = 1_000

/**
 * PostgreSQL: a read-only server (25006), a failed transaction that nobody ended (25P02). MySQL and MariaDB: a
 * read-only server (1290; where InnoDB is, MySQL's 1836 and MariaDB's 1036), a read-only session (1792).
 */
const UNFIT = new Set<unknown>([
  "25006",
  "25P02",
  "ER_OPTION_PREVENTS_STATEMENT",
  "ER_READ_ONLY_MODE",
  "ER_OPEN_AS_READONLY",
  "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION"
])

/** The driver's own session, which can be ended although a statement is open. */
interface Session {
  readonly driver: object
  readonly end: () => void
  /** Whether the open statement fails when the session is ended. */
  readonly settles: boolean
}

/** The session of `pg` or `mysql2` in a client's connection, known by its shape; other drivers end sessions themselves. */
const sessionOf = (connection: object): Session | undefined => {
  const { conn, pg }: Shape = connection
  if (isDriver(pg, "end")) return { driver: pg, end: () => void pg.end(), settles: true }
  if (isDriver(conn, "destroy")) return { driver: conn, end: () => void conn.destroy(), settles: false }
  return undefined
}

interface Shape {
  readonly pg?: unknown
  readonly conn?: unknown
}

const isDriver = <Name extends string>(value: unknown, name: Name): value is Readonly<Record<Name, () => unknown>> =>
  Predicate.hasProperty(value, name) && Predicate.isFunction(value[name])
