// dialects/: The rows in the SQL of each database.
// May import statements/.
// Must not know of migrations, and the change feed.

import type { SqlClient } from "@effect/sql"
import type { Fragment } from "@effect/sql/Statement"
import { TokenCipher } from "@evertoken/core/encryption"
import type { LeaseRequest, Snapshot, TokenStoreBackend } from "@evertoken/core/store"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import { sessions } from "../statements/Sessions.js"
import {
  COLUMNS,
  claimLasts,
  decoded,
  grants,
  Int,
  isAhead,
  isDue,
  isLeasedAhead,
  isListed,
  listed,
  type Names,
  snapshot
} from "../statements/Statements.js"
import { firstDue } from "./FirstDue.js"
import { sealedRows } from "./SealedRows.js"

/** How the two databases differ that write and read in one statement. */
export interface Returning {
  /** The database's clock in epoch milliseconds: one value for the whole statement, so that its parts agree. */
  readonly now: Fragment
  /** The larger of two numbers. */
  readonly greatest: Fragment
  /** The smaller of two numbers. */
  readonly least: Fragment
  /** Tells others that `key` is now of `generation`; an expression for `RETURNING`. */
  readonly notify: (generation: Fragment) => Fragment
  /** Claims what `due` holds for, in this order; gives `key`, `generation` and the due time it `was`. */
  readonly claim: (
    due: Fragment,
    order: Fragment,
    limit: number,
    until: Fragment
  ) => Effect.Effect<ReadonlyArray<unknown>, unknown>
  /** Deletes the row and remembers its generation; a row where there was one. */
  readonly remove: (key: string) => Effect.Effect<ReadonlyArray<unknown>, unknown>
}

/** The operations on PostgreSQL and SQLite, each one statement. */
export const returningBackend = (sql: SqlClient.SqlClient, names: Names, dialect: Returning): TokenStoreBackend => {
  const { greatest, least, now } = dialect
  const [tokens, mark] = [sql(names.tokens), sql(names.mark)]
  const r = sql.literal("r.")
  const columns = sql.literal(COLUMNS)
  const key = (name: string) => sql`key = ${name}`
  const after = (wait: number | undefined) =>
    wait === undefined ? sql.literal("NULL") : sql`${now} + CAST(${Math.ceil(wait)} AS bigint)`
  const floor = sql`(SELECT COALESCE(MAX(highest), 0) FROM ${mark})`
  const changed = dialect.notify(sql.literal("generation"))
  const keyId = (payload: string) => Option.getOrNull(TokenCipher.keyId(payload))

  const run = sessions(sql, names.tokens)
  const happened = (statement: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
    Effect.map(run(statement), (rows) => rows.length > 0)

  const load = (name: string): Effect.Effect<Snapshot, unknown> =>
    run(
      sql`SELECT ${now} AS now, ${floor} AS floor, ${columns} FROM (SELECT 1 AS one) AS one LEFT JOIN ${tokens} ON ${key(name)}`
    ).pipe(Effect.flatMap(snapshot), Effect.flatMap(decoded))

  /** The columns that a lease sets, each as it was unless the lease is given. They all see the row as it was. */
  const taking = (request: LeaseRequest) => {
    const { lasts, owner, presents } = request
    const given = grants(sql, now, r, request)
    const ahead = isLeasedAhead(sql, now, r)
    const intent = presents ? sql`${given} AND r.intent_owner IS NULL` : sql.literal("1 = 0")
    return sql`
      lease_owner = CASE WHEN ${given} THEN CAST(${owner} AS text) ELSE r.lease_owner END,
      lease_until = CASE WHEN ${given} THEN ${after(lasts)} WHEN ${ahead} THEN ${now} + r.lease_until - r.leased_at
        ELSE r.lease_until END,
      leased_at = CASE WHEN ${given} OR ${ahead} THEN ${now} ELSE r.leased_at END,
      intent_owner = CASE WHEN ${intent} THEN CAST(${owner} AS text) ELSE r.intent_owner END,
      intent_at = CASE WHEN ${intent} THEN ${now} ELSE r.intent_at END`
  }
  const SETTLED = sql.literal(
    "lease_owner = NULL, lease_until = NULL, leased_at = NULL, intent_owner = NULL, intent_at = NULL, claims = 0, failures = 0, retry_at = NULL, failure = NULL, failed_at = NULL, dead = 0"
  )

  return {
    load,
    put: (name, { dueIn, expected, generation, payload }) =>
      happened(
        expected === undefined
          ? sql`INSERT INTO ${tokens} (key, generation, payload, key_id, due_at, scheduled_at, refreshed_at)
              SELECT CAST(${name} AS text), CAST(${generation} AS bigint), CAST(${payload} AS text),
                CAST(${keyId(payload)} AS text), ${after(dueIn)}, ${now}, ${now}
              WHERE CAST(${generation} AS bigint) > ${floor}
              ON CONFLICT (key) DO NOTHING RETURNING ${changed}`
          : sql`UPDATE ${tokens} SET generation = ${generation}, payload = ${payload}, key_id = ${keyId(payload)},
              due_at = ${after(dueIn)}, scheduled_at = ${now}, refreshed_at = ${now}, ${SETTLED}
              WHERE ${key(name)} AND generation = ${expected} RETURNING ${changed}`
      ),
    lease: (name, request) => {
      const { known, lasts, owner, presents } = request
      const [intentOwner, intentAt] = presents
        ? [sql`CAST(${owner} AS text)`, now]
        : [sql.literal("NULL"), sql.literal("NULL")]
      const statement =
        known === undefined
          ? sql`INSERT INTO ${tokens} AS r (key, generation, lease_owner, lease_until, leased_at, intent_owner, intent_at)
              SELECT CAST(${name} AS text), ${greatest}(${now}, ${floor} + 1), CAST(${owner} AS text), ${after(lasts)},
                ${now}, ${intentOwner}, ${intentAt}
              WHERE 1 = 1 ON CONFLICT (key) DO UPDATE SET ${taking(request)} RETURNING ${now} AS now, ${columns}`
          : sql`UPDATE ${tokens} AS r SET ${taking(request)} WHERE ${key(name)} RETURNING ${now} AS now, ${columns}`
      return run(statement).pipe(
        Effect.flatMap(snapshot),
        Effect.flatMap(Option.match({ onNone: () => load(name), onSome: Effect.succeed }))
      )
    },
    renew: (name, owner, lasts) =>
      happened(sql`UPDATE ${tokens} SET lease_until = ${after(lasts)}, leased_at = ${now}
        WHERE ${key(name)} AND lease_owner = ${owner} RETURNING generation`),
    commit: (name, { dueIn, generation, owner, tokens: payload }) =>
      happened(sql`UPDATE ${tokens} SET generation = generation + 1, payload = ${payload}, key_id = ${keyId(payload)},
        due_at = ${after(dueIn)}, scheduled_at = ${now}, refreshed_at = ${now}, ${SETTLED}
        WHERE ${key(name)} AND lease_owner = ${owner} AND generation = ${generation} RETURNING ${changed}`),
    fail: (name, { dead, failure, generation, inDoubt, owner, retryIn }) => {
      const mine = inDoubt ? sql.literal("1 = 0") : sql`intent_owner = ${owner}`
      return happened(sql`UPDATE ${tokens} SET lease_owner = NULL, lease_until = NULL, leased_at = NULL,
        intent_owner = CASE WHEN ${mine} THEN NULL ELSE intent_owner END,
        intent_at = CASE WHEN ${mine} THEN NULL ELSE intent_at END,
        due_at = ${dead ? sql.literal("NULL") : sql`CASE WHEN due_at IS NULL THEN NULL ELSE ${after(retryIn)} END`},
        scheduled_at = ${now}, claims = 0, failures = failures + 1, failure = ${failure}, failed_at = ${now}, retry_at = ${after(retryIn)}, dead = ${dead ? 1 : 0}
        WHERE ${key(name)} AND lease_owner = ${owner} AND generation = ${generation} RETURNING ${changed}`)
    },
    remove: (name) => happened(dialect.remove(name)),
    due: Effect.fnUntraced(function* ({ lasts, latest = false, limit }) {
      const until = sql`${now} + ${claimLasts(sql, least, lasts)}`
      const order = sql.literal(latest ? "due_at DESC" : "due_at")
      const claim = (due: Fragment, limit: number) =>
        run(dialect.claim(due, order, limit, until)).pipe(
          Effect.flatMap((rows) => decoded(decodeClaims(rows))),
          Effect.map((rows) => [...rows].sort(latest ? Order.reverse(BY_TIME) : BY_TIME))
        )
      const claimed = yield* claim(latest ? sql`${isDue(sql, now)} AND claims = 0` : isDue(sql, now), limit)
      const ahead = isAhead(sql, now)
      const more =
        claimed.length < limit && (yield* run(sql`SELECT 1 FROM ${tokens} WHERE ${ahead} LIMIT 1`)).length > 0
      const all = more ? [...claimed, ...(yield* claim(ahead, limit - claimed.length))] : claimed
      return all.map(({ generation, key }) => ({ key, generation }))
    }),
    firstDue: firstDue(sql, names.tokens, run, now),
    page: (request) =>
      run(sql`SELECT key AS name, ${now} AS now, ${columns} FROM ${tokens}
        WHERE ${isListed(sql, sql.literal("key"), request, { bytes: (name) => sql`${name}`, size: (name) => [...name].length })}
        ORDER BY key LIMIT ${sql.literal(String(request.limit))}`).pipe(
        Effect.flatMap((rows) => listed(rows, (name) => name))
      ),
    sealed: sealedRows(sql, names.tokens, run, {
      equals: key,
      above: (name) => sql`key > ${name}`,
      column: sql.literal("key"),
      parse: (name) => name,
      changes: (update) => happened(sql`${update} RETURNING generation`)
    })
  }
}

const decodeClaims = Schema.decodeUnknownOption(
  Schema.Array(Schema.Struct({ key: Schema.String, generation: Int, was: Int }))
)
const BY_TIME = Order.mapInput(Order.number, ({ was }: { readonly was: number }) => was)
