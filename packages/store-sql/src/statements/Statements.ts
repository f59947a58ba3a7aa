// statements/: What all databases share: the table, conditions, sessions and their conflicts.
// May import no other room.
// Must not know of the SQL of one database.
// Longer than 200 lines: conditions that two dialects have word for word.

import { SqlClient } from "@effect/sql"
import type { Fragment } from "@effect/sql/Statement"
import { TokenStoreError } from "@evertoken/core"
import { kind, service } from "@evertoken/core/options"
import type { LeaseRequest, ListRequest, Snapshot, StoredPage, StoredRow } from "@evertoken/core/store"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** The client of the context. */
export const sqlClient = service(
  SqlClient.SqlClient,
  'a layer below that gives it, such as SqliteClient.layer({ filename: "tokens.db" })'
)

/** The names of the tables, checked. */
export interface Names {
  readonly schema: string | undefined
  readonly tokens: string
  /** Remembers the highest generation that a removed row had. */
  readonly mark: string
  readonly migrations: string
  /** What indexes and triggers are named after. */
  readonly prefix: string
  /** Where PostgreSQL tells of changes; it takes no longer names. */
  readonly channel: string
}

/** The names that `options`, which were checked, ask for. */
export const namesOf = (options: { readonly table?: string | undefined; readonly schema?: string | undefined }) => {
  const { schema, table = "evertoken_tokens" } = options
  const qualified = schema === undefined ? table : `${schema}.${table}`
  const names: Names = {
    schema,
    tokens: qualified,
    mark: `${qualified}_mark`,
    migrations: `${qualified}_migrations`,
    prefix: table,
    channel: qualified.slice(-63)
  }
  return names
}

const name = kind(
  "at most 40 small letters, digits and underscores, a letter first",
  (value) => Predicate.isString(value) && /^[a-z][a-z0-9_]{0,39}$/.test(value)
)

/** What each name has to be. */
export const tableChecks = { table: name, schema: name }

/**
 * Runs outside of any transaction that the caller may be in. What a refresh writes must be there for others at once,
 * and must stay if the caller rolls back.
 */
export const outsideTransaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.locallyWith(effect, FiberRef.currentContext, (context) => {
    if (!context.unsafeMap.has(SqlClient.TransactionConnection.key)) return context
    const services = new Map(context.unsafeMap)
    services.delete(SqlClient.TransactionConnection.key)
    return Context.unsafeMake(services)
  })

/** Fails as a store does, whatever the cause. */
export const unreachable = (cause: Cause.Cause<unknown>): Effect.Effect<never, TokenStoreError> =>
  Effect.fail(TokenStoreError.of(Cause.squash(cause)))

/** What a lease asks of the row, whose columns are named after `of`. */
export const grants = (
  sql: SqlClient.SqlClient,
  now: Fragment,
  of: Fragment,
  { early, force, known, owner }: LeaseRequest
): Fragment =>
  sql.and([
    known === undefined ? sql`${of}payload IS NULL` : sql`${of}generation = ${known}`,
    sql`(${of}lease_owner IS NULL OR ${of}lease_owner = ${owner} OR ${of}lease_until <= ${now})`,
    early === undefined ? hasWaited(sql, now, of) : sql`(${of}failures = ${early} OR ${hasWaited(sql, now, of)})`,
    ...(force ? [] : [sql`${of}dead = 0`, sql`(${of}intent_owner IS NULL OR ${of}intent_owner = ${owner})`])
  ])

/** The next attempt's time has come, or was told by a clock that has been set back since. */
const hasWaited = (sql: SqlClient.SqlClient, now: Fragment, of: Fragment): Fragment =>
  sql`(${of}retry_at IS NULL OR ${of}retry_at <= ${now} OR ${of}failed_at > ${now} + ${sql.literal(JITTER)})`

/** What makes a row due: its time has come, nobody renews it, it is not dead and not backing off. */
export const isDue = (sql: SqlClient.SqlClient, now: Fragment): Fragment =>
  sql.and([sql`due_at <= ${now}`, isClaimable(sql, now)])

/** The due time was written later than now: the clock has been set back since, so nobody knows when it comes. */
export const isAhead = (sql: SqlClient.SqlClient, now: Fragment): Fragment =>
  sql.and([sql`scheduled_at > ${now} + ${sql.literal(JITTER)}`, sql`due_at IS NOT NULL`, isClaimable(sql, now)])

const isClaimable = (sql: SqlClient.SqlClient, now: Fragment): Fragment =>
  sql.and([
    sql`dead = 0`,
    sql`(lease_owner IS NULL OR lease_until <= ${now} OR ${isLeasedAhead(sql, now, sql.literal(""))})`,
    hasWaited(sql, now, sql.literal(""))
  ])

/** Until when a claim lasts, by the claims before it that nothing came of: each time twice as long. */
export const claimLasts = (sql: SqlClient.SqlClient, least: Fragment, lasts: number): Fragment => {
  const first = sql.literal(String(Math.ceil(lasts)))
  const longest = sql.literal(String(Math.max(Math.ceil(lasts), LONGEST_CLAIM)))
  return sql`${least}(${first} * (1 << ${least}(claims, 20)), ${longest})`
}

const LONGEST_CLAIM = Duration.toMillis("15 minutes")

// A clock that is only adjusted goes back by less.
const JITTER = "1000"

/** A lease of the row whose columns are named after `of` was given later than now: the clock has been set back since. */
export const isLeasedAhead = (sql: SqlClient.SqlClient, now: Fragment, of: Fragment): Fragment =>
  sql`(${of}lease_owner IS NOT NULL AND ${of}leased_at > ${now} AND ${of}lease_until >= ${of}leased_at)`

/** What a list asks of the rows, where `bytes` writes a key as its column has it, and `size` is how long that is. */
export const isListed = (
  sql: SqlClient.SqlClient,
  column: Fragment,
  { after, prefix = "", state }: ListRequest,
  { bytes, size }: { readonly bytes: (key: string) => Fragment; readonly size: (key: string) => number }
): Fragment => {
  // A range that the index finds, and the prefix itself. The character after the last one has to be in every encoding.
  const start = prefix.replace(/[^ -}]+$/, "")
  const end = start === "" ? "" : start.slice(0, -1) + String.fromCharCode(start.charCodeAt(start.length - 1) + 1)
  const length = sql.literal(String(size(prefix)))
  return sql.and([
    after === undefined ? sql.literal("1 = 1") : sql`${column} > ${bytes(after)}`,
    ...(prefix === ""
      ? []
      : [sql`${column} >= ${bytes(prefix)}`, sql`SUBSTR(${column}, 1, ${length}) = ${bytes(prefix)}`]),
    ...(end === "" ? [] : [sql`${column} < ${bytes(end)}`]),
    ...(state === undefined ? [] : [sql.literal(STATES[state])])
  ])
}

const STATES = {
  dead: "(dead = 1 OR payload IS NULL)",
  failing: "(dead = 0 AND payload IS NOT NULL AND (failures > 0 OR intent_owner IS NOT NULL))",
  sound: "(dead = 0 AND payload IS NOT NULL AND failures = 0)"
}

/** The columns of a row, its key aside. */
export const COLUMNS =
  "generation, payload, lease_owner, lease_until, leased_at, intent_owner, intent_at, due_at, scheduled_at, claims, failures, retry_at, dead, failure, refreshed_at, failed_at"

// Drivers disagree on how they hand out 64-bit integers, and users may set that too.
export const Int = Schema.Union(
  Schema.Number,
  Schema.NumberFromString,
  Schema.transform(Schema.BigIntFromSelf, Schema.Number, { strict: true, decode: Number, encode: BigInt })
)
const Time = Schema.NullOr(Int)
const Text = Schema.NullOr(Schema.String)

const Read = Schema.Struct({
  now: Int,
  floor: Schema.optional(Time),
  generation: Time,
  payload: Text,
  lease_owner: Text,
  lease_until: Time,
  leased_at: Time,
  intent_owner: Text,
  intent_at: Time,
  due_at: Time,
  scheduled_at: Time,
  claims: Time,
  failures: Time,
  retry_at: Time,
  dead: Time,
  failure: Text,
  refreshed_at: Time,
  failed_at: Time
})
const decodeRead = Schema.decodeUnknownOption(Read)

/** The snapshot that a statement gave; none where it gave no row at all. */
export const snapshot = Effect.fnUntraced(function* (rows: ReadonlyArray<unknown>) {
  const [first] = rows
  if (first === undefined) return Option.none<Snapshot>()
  const read = yield* decoded(decodeRead(first))
  const { floor, now } = read
  return Option.some<Snapshot>({
    now,
    row: rowOf(read),
    floor: read.generation === null ? (floor ?? undefined) : undefined
  })
})

const rowOf = (read: typeof Read.Type): StoredRow | undefined =>
  read.generation === null
    ? undefined
    : {
        generation: read.generation,
        payload: read.payload ?? undefined,
        leaseOwner: read.lease_owner ?? undefined,
        leaseUntil: read.lease_until ?? undefined,
        leasedAt: read.leased_at ?? undefined,
        intentOwner: read.intent_owner ?? undefined,
        intentAt: read.intent_at ?? undefined,
        dueAt: read.due_at ?? undefined,
        scheduledAt: read.scheduled_at ?? undefined,
        claims: read.claims ?? 0,
        failures: read.failures ?? 0,
        retryAt: read.retry_at ?? undefined,
        dead: read.dead === 1,
        failure: read.failure ?? undefined,
        refreshedAt: read.refreshed_at ?? undefined,
        failedAt: read.failed_at ?? undefined
      }

const decodeListed = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ ...Read.fields, name: Schema.String })))

/** The rows that a statement listed, their keys as `name`. */
export const listed = Effect.fnUntraced(function* (rows: ReadonlyArray<unknown>, parse: (name: string) => string) {
  const read = yield* decoded(decodeListed(rows))
  const page: StoredPage = {
    now: read[0]?.now ?? 0,
    rows: read.flatMap((one) => {
      const row = rowOf(one)
      return row === undefined ? [] : [{ key: parse(one.name), row }]
    })
  }
  return page
})

/** What was decoded. A parse error would quote the row, so none is kept. */
export const decoded = <A>(option: Option.Option<A>): Effect.Effect<A, TokenStoreError> =>
  Option.match(option, {
    onNone: () => Effect.fail(new TokenStoreError({ reason: "corrupt", detail: "the table is not as it was made" })),
    onSome: Effect.succeed
  })
