// A store of one's own: tokens in any `KeyValueStore` of @effect/platform. It keeps everything under one entry, so it is
// for some dozens of keys. Within one process it keeps the whole contract of a store. Two processes on one KeyValueStore
// may both be given a lease, since it has no way to write only where nothing changed: give them a database instead.
import { KeyValueStore } from "@effect/platform"
import { TokenStore } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import type { Snapshot, StoredRow, TokenStoreBackend } from "@evertoken/core/store"
import { Clock, Effect, Layer, Option, Schema } from "effect"

const Time = Schema.optional(Schema.Number)
const Text = Schema.optional(Schema.String)
const State = Schema.Struct({
  /** The highest generation that any key ever had, so that a key which comes back goes on above it. */
  highest: Schema.Number,
  rows: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({
      ...{ generation: Schema.Number, payload: Text, failures: Schema.Number, failure: Text, dead: Schema.Boolean },
      ...{ leaseOwner: Text, leaseUntil: Time, leasedAt: Time, intentOwner: Text, intentAt: Time },
      ...{ dueAt: Time, scheduledAt: Time, claims: Schema.Number, retryAt: Time, refreshedAt: Time, failedAt: Time }
    })
  })
})

/** The operations, each one step that nothing in this process comes between. */
export const backend = Effect.gen(function* () {
  const kept = (yield* KeyValueStore.KeyValueStore).forSchema(State)
  const alone = (yield* Effect.makeSemaphore(1)).withPermits(1)

  /** Runs `step` on the rows at one instant, and keeps what it made of them. */
  const change = <A>(step: (rows: Map<string, StoredRow>, now: number, highest: number) => A) =>
    Effect.gen(function* () {
      const { highest, rows } = Option.getOrElse(yield* kept.get("evertoken"), () => ({ highest: 0, rows: {} }))
      const next = new Map<string, StoredRow>(Object.entries(rows).map(([key, row]) => [key, { ...EMPTY, ...row }]))
      const result = step(next, yield* Clock.currentTimeMillis, highest)
      const most = [...next.values()].reduce((most, { generation }) => Math.max(most, generation), highest)
      yield* kept.set("evertoken", { highest: most, rows: Object.fromEntries(next) })
      return result
    }).pipe(alone)

  /** Changes the row whose lease is `owner`'s. */
  const owned = (
    key: string,
    owner: string,
    generation: number | undefined,
    to: (row: StoredRow, now: number) => StoredRow
  ) =>
    change((rows, now) => {
      const row = rows.get(key)
      if (row?.leaseOwner !== owner || row.generation !== (generation ?? row.generation)) return false
      rows.set(key, to(row, now))
      return true
    })

  const made: TokenStoreBackend = {
    load: (key) => change((rows, now, floor): Snapshot => ({ now, row: rows.get(key), floor })),
    put: (key, { dueIn, expected, generation, payload }) =>
      change((rows, now) => {
        if (rows.get(key)?.generation !== expected) return false
        rows.set(key, { ...EMPTY, generation, payload, dueAt: after(now, dueIn), scheduledAt: now, refreshedAt: now })
        return true
      }),
    lease: (key, { early, force, known, lasts, owner, presents }) =>
      change((rows, now, highest): Snapshot => {
        const row =
          rows.get(key) ?? (known === undefined ? { ...EMPTY, generation: Math.max(now, highest + 1) } : undefined)
        if (row === undefined) return { now, row }
        const unchanged = known === undefined ? row.payload === undefined : row.generation === known
        const free = row.leaseOwner === undefined || row.leaseOwner === owner || (row.leaseUntil ?? 0) <= now
        const allowed = force || (!row.dead && (row.intentOwner === undefined || row.intentOwner === owner))
        const given = unchanged && free && allowed && (row.failures === early || hasWaited(row, now))
        const intent = given && presents && row.intentOwner === undefined ? { intentOwner: owner, intentAt: now } : {}
        const lease = { leaseOwner: owner, leaseUntil: now + lasts, leasedAt: now }
        const next = given ? { ...row, ...intent, ...lease } : isAhead(row, now) ? cut(row, now) : row
        rows.set(key, next)
        return { now, row: next }
      }),
    renew: (key, owner, lasts) =>
      owned(key, owner, undefined, (row, now) => ({ ...row, leaseUntil: now + lasts, leasedAt: now })),
    commit: (key, { dueIn, generation, owner, tokens }) =>
      owned(key, owner, generation, (_, now) => ({
        ...{ ...EMPTY, generation: generation + 1, payload: tokens },
        ...{ dueAt: after(now, dueIn), scheduledAt: now, refreshedAt: now }
      })),
    fail: (key, { dead, failure, generation, inDoubt, owner, retryIn }) =>
      owned(key, owner, generation, (row, now) => ({
        ...row,
        ...(row.intentOwner === owner && !inDoubt ? { intentOwner: undefined, intentAt: undefined } : {}),
        ...{ leaseOwner: undefined, leaseUntil: undefined, failures: row.failures + 1, failure, failedAt: now, dead },
        ...{ leasedAt: undefined, claims: 0, scheduledAt: now },
        ...{ retryAt: now + retryIn, dueAt: dead || row.dueAt === undefined ? undefined : now + retryIn }
      })),
    remove: (key) => change((rows) => rows.delete(key)),
    due: ({ lasts, latest = false, limit }) =>
      change((rows, now) =>
        [...rows]
          .filter(([, row]) => !row.dead && row.dueAt !== undefined && hasWaited(row, now))
          .filter(([, { claims }]) => !latest || claims === 0)
          .filter(([, { dueAt = 0, scheduledAt = 0 }]) => dueAt <= now || scheduledAt > now + 1_000)
          .filter(([, row]) => row.leaseOwner === undefined || (row.leaseUntil ?? 0) <= now || isAhead(row, now))
          .sort(([, { dueAt: a = 0 }], [, { dueAt: b = 0 }]) => (latest ? b - a : a - b))
          .slice(0, limit)
          .map(([key, row]) => {
            const wait = Math.min(lasts * 2 ** row.claims, Math.max(lasts, 900_000))
            rows.set(key, { ...row, dueAt: now + wait, scheduledAt: now, claims: row.claims + 1 })
            return { key, generation: row.generation }
          })
      )
  }
  return made
})

/** The store, which seals what it keeps with the keys in EVERTOKEN_KEYS. */
export const layer = Layer.effect(
  TokenStore,
  Effect.gen(function* () {
    return TokenStore.make(yield* backend, { cipher: yield* TokenCipher.config() })
  })
)

// Instants that were written later than now, since the clock has been set back, are not believed.
const isAhead = ({ leaseOwner, leaseUntil = 0, leasedAt = 0 }: StoredRow, now: number) =>
  leaseOwner !== undefined && leasedAt > now && leaseUntil >= leasedAt
const cut = (row: StoredRow, now: number): StoredRow => ({
  ...row,
  ...{ leaseUntil: now + (row.leaseUntil ?? now) - (row.leasedAt ?? now), leasedAt: now }
})
const hasWaited = ({ failedAt = 0, retryAt = 0 }: StoredRow, now: number) => retryAt <= now || failedAt > now + 1_000

const after = (now: number, wait: number | undefined) => (wait === undefined ? undefined : now + wait)

const EMPTY: StoredRow = {
  ...{ generation: 0, payload: undefined, failures: 0, failure: undefined, dead: false },
  ...{ leaseOwner: undefined, leaseUntil: undefined, leasedAt: undefined },
  ...{ intentOwner: undefined, intentAt: undefined, dueAt: undefined, scheduledAt: undefined, claims: 0 },
  ...{ retryAt: undefined, refreshedAt: undefined, failedAt: undefined }
}
