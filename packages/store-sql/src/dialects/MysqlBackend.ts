import type { SqlClient } from "@effect/sql"
import type { Fragment, Statement } from "@effect/sql/Statement"
import { TokenCipher } from "@evertoken/core/encryption"
import type { Snapshot, TokenStoreBackend } from "@evertoken/core/store"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
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

/**
 * The operations on MySQL and MariaDB. Where a row has to be read back, a second statement reads what the first decided.
 * Assignments see those to their left, so each comes after all that depend on what it replaces.
 */
export const mysqlBackend = (sql: SqlClient.SqlClient, names: Names): TokenStoreBackend => {
  const [tokens, mark] = [sql(names.tokens), sql(names.mark)]
  const columns = sql.literal(COLUMNS)
  const none = sql.literal("")
  // No time zone has a say in this: the session's may have an hour twice a year that it cannot tell from the next one.
  const now = sql.literal("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000)")
  // Sent as hexadecimal, so that no connection's character set has a say in which keys are the same.
  const bytes = (name: string) => sql`UNHEX(${Encoding.encodeHex(name)})`
  const key = (name: string) => sql`\`key\` = ${bytes(name)}`
  const after = (wait: number | undefined) =>
    wait === undefined ? sql.literal("NULL") : sql`${now} + ${Math.ceil(wait)}`
  const floor = sql`(SELECT COALESCE(MAX(highest), 0) FROM ${mark})`
  const keyId = (payload: string) => Option.getOrNull(TokenCipher.keyId(payload))

  const run = sessions(sql, names.tokens)
  const write = (statement: Fragment) => {
    const prepared: Statement<object> = sql`${statement}`
    return run(prepared.raw).pipe(Effect.flatMap((result) => decoded(decodeWritten(result))))
  }
  const happened = (statement: Fragment) => Effect.map(write(statement), ({ affectedRows }) => affectedRows > 0)

  const load = (name: string): Effect.Effect<Snapshot, unknown> =>
    run(
      sql`SELECT ${now} AS now, ${floor} AS floor, ${columns} FROM (SELECT 1 AS one) AS one LEFT JOIN ${tokens} ON ${key(name)}`
    ).pipe(Effect.flatMap(snapshot), Effect.flatMap(decoded))

  const SETTLED = sql.literal(
    "lease_owner = NULL, lease_until = NULL, leased_at = NULL, intent_owner = NULL, intent_at = NULL, claims = 0, failures = 0, retry_at = NULL, failure = NULL, failed_at = NULL, dead = 0, claim = NULL"
  )

  return {
    load,
    put: (name, { dueIn, expected, generation, payload }) =>
      happened(
        expected === undefined
          ? sql`INSERT IGNORE INTO ${tokens} (\`key\`, generation, payload, key_id, due_at, scheduled_at, refreshed_at)
              SELECT ${bytes(name)}, ${generation}, ${payload}, ${keyId(payload)}, ${after(dueIn)}, ${now}, ${now}
              FROM (SELECT 1 AS one) AS one WHERE ${generation} > ${floor}`
          : sql`UPDATE ${tokens} SET generation = ${generation}, payload = ${payload}, key_id = ${keyId(payload)},
              due_at = ${after(dueIn)}, scheduled_at = ${now}, refreshed_at = ${now}, ${SETTLED}
              WHERE ${key(name)} AND generation = ${expected}`
      ),
    lease: (name, request) => {
      const { known, lasts, owner, presents } = request
      const given = grants(sql, now, none, request)
      const ahead = isLeasedAhead(sql, now, none)
      // Whoever was given the lease by one of these assignments is given it by the next ones too.
      const take = (column: Fragment, value: Fragment, otherwise = column) =>
        sql`${column} = IF(${given}, ${value}, ${otherwise})`
      const taking = sql.csv([
        ...(presents
          ? [
              take(sql.literal("intent_at"), sql`IF(intent_owner IS NULL, ${now}, intent_at)`),
              take(sql.literal("intent_owner"), sql`COALESCE(intent_owner, ${owner})`)
            ]
          : []),
        take(sql.literal("lease_owner"), sql`${owner}`),
        take(
          sql.literal("lease_until"),
          after(lasts),
          sql`IF(${ahead}, ${now} + lease_until - leased_at, lease_until)`
        ),
        take(sql.literal("leased_at"), now, sql`LEAST(leased_at, ${now})`)
      ])
      const [intentOwner, intentAt] = presents ? [sql`${owner}`, now] : [sql.literal("NULL"), sql.literal("NULL")]
      const statement =
        known === undefined
          ? sql`INSERT INTO ${tokens} (\`key\`, generation, lease_owner, lease_until, leased_at, intent_owner, intent_at)
              VALUES (${bytes(name)}, GREATEST(${now}, ${floor} + 1), ${owner}, ${after(lasts)}, ${now}, ${intentOwner}, ${intentAt})
              ON DUPLICATE KEY UPDATE ${taking}`
          : sql`UPDATE ${tokens} SET ${taking} WHERE ${key(name)} AND (${given} OR ${ahead})`
      return Effect.zipRight(write(statement), load(name))
    },
    renew: (name, owner, lasts) =>
      happened(sql`UPDATE ${tokens} SET lease_until = ${after(lasts)}, leased_at = ${now}
        WHERE ${key(name)} AND lease_owner = ${owner}`),
    commit: (name, { dueIn, generation, owner, tokens: payload }) =>
      happened(sql`UPDATE ${tokens} SET generation = generation + 1, payload = ${payload}, key_id = ${keyId(payload)},
        due_at = ${after(dueIn)}, scheduled_at = ${now}, refreshed_at = ${now}, ${SETTLED}
        WHERE ${key(name)} AND lease_owner = ${owner} AND generation = ${generation}`),
    fail: (name, { dead, failure, generation, inDoubt, owner, retryIn }) => {
      const mine = inDoubt ? sql.literal("1 = 0") : sql`intent_owner = ${owner}`
      return happened(sql`UPDATE ${tokens} SET lease_owner = NULL, lease_until = NULL, leased_at = NULL,
        intent_at = IF(${mine}, NULL, intent_at), intent_owner = IF(${mine}, NULL, intent_owner),
        due_at = ${dead ? sql.literal("NULL") : sql`IF(due_at IS NULL, NULL, ${after(retryIn)})`},
        scheduled_at = ${now}, claims = 0, failures = failures + 1, failure = ${failure}, failed_at = ${now}, retry_at = ${after(retryIn)}, dead = ${dead ? 1 : 0}
        WHERE ${key(name)} AND lease_owner = ${owner} AND generation = ${generation}`)
    },
    remove: Effect.fnUntraced(function* (name) {
      while (true) {
        const marked = sql`UPDATE ${mark}, ${tokens} SET ${mark}.highest = GREATEST(${mark}.highest, ${tokens}.generation) + 1
          WHERE ${tokens}.${key(name)}`
        if (!(yield* happened(marked))) return false
        // A commit in between goes above the mark; then the mark follows.
        const removed = sql`DELETE FROM ${tokens} WHERE ${key(name)} AND generation <= ${floor}`
        if (yield* happened(removed)) return true
      }
    }),
    due: Effect.fnUntraced(function* ({ lasts, latest = false, limit }) {
      const until = claimLasts(sql, sql.literal("LEAST"), lasts)
      const order = sql.literal(latest ? "due_at DESC" : "due_at")
      const claim = Effect.fnUntraced(function* (due: Fragment, limit: number) {
        // The claim carries the old due time, so that the second statement can put the rows in their order.
        const id = (yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)
        const { affectedRows } = yield* write(sql`UPDATE ${tokens}
          SET claim = CONCAT(${id}, ':', LPAD(due_at + 1000000000000000, 20, '0')), due_at = ${now} + ${until},
            scheduled_at = ${now}, claims = claims + 1
          WHERE ${due} ORDER BY ${order} LIMIT ${sql.literal(String(limit))}`)
        if (affectedRows === 0) return []
        const claimed = yield* run(sql`SELECT HEX(\`key\`) AS name, generation FROM ${tokens}
          WHERE claim LIKE ${`${id}:%`} ORDER BY ${sql.literal(latest ? "claim DESC" : "claim")}`)
        return yield* Effect.map(decoded(decodeClaims(claimed)), (rows) =>
          rows.map(({ generation, name }) => ({ key: unhex(name), generation }))
        )
      })
      const claimed = yield* claim(latest ? sql`${isDue(sql, now)} AND claims = 0` : isDue(sql, now), limit)
      if (claimed.length >= limit) return claimed
      const ahead = isAhead(sql, now)
      // Read first, since an update that finds nothing still locks the end of the index, where commits write.
      const more = yield* run(sql`SELECT 1 FROM ${tokens} WHERE ${ahead} LIMIT 1`)
      return more.length === 0 ? claimed : [...claimed, ...(yield* claim(ahead, limit - claimed.length))]
    }),
    firstDue: firstDue(sql, names.tokens, run, now),
    page: (request) =>
      run(sql`SELECT HEX(\`key\`) AS name, ${now} AS now, ${columns} FROM ${tokens}
        WHERE ${isListed(sql, sql.literal("`key`"), request, { bytes, size: (name) => new TextEncoder().encode(name).length })}
        ORDER BY \`key\` LIMIT ${sql.literal(String(request.limit))}`).pipe(
        Effect.flatMap((rows) => listed(rows, unhex))
      ),
    sealed: sealedRows(sql, names.tokens, run, {
      equals: key,
      above: (name) => sql`\`key\` > ${bytes(name)}`,
      column: sql.literal("HEX(`key`)"),
      parse: unhex,
      changes: happened
    })
  }
}

const unhex = (hex: string): string =>
  Option.getOrElse(Option.getRight(Encoding.decodeHexString(hex.toLowerCase())), () => "")

const decodeWritten = Schema.decodeUnknownOption(Schema.Struct({ affectedRows: Schema.Number }))
const decodeClaims = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ name: Schema.String, generation: Int })))
