import { TokenStore } from "@evertoken/core"
import type { RowState, Snapshot, StoredRow, TokenChange, TokenStoreBackend } from "@evertoken/core/store"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

/** Keeps tokens for as long as it lives. What shares it shares one refresh, as processes on one database do. */
export const make: Effect.Effect<TokenStore["Type"]> = Effect.map(backend(), (backend) => TokenStore.make(backend))

/**
 * Keeps tokens for as long as the layer lives.
 *
 * @example
 * ```ts
 * const Billing = TokenProvider.layer({
 *   key: "billing",
 *   source: OAuth2.clientCredentials({ tokenEndpoint: "https://auth.example.com/token", clientId: "app" })
 * }).pipe(Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer]))
 * ```
 */
export const layer: Layer.Layer<TokenStore> = Layer.scoped(
  TokenStore,
  Effect.gen(function* () {
    const effects = new Map<string, Effect.Effect<void>>()
    const late = Effect.withClock(Effect.sleep(END), Clock.make())
    yield* Effect.addFinalizer(() => {
      if (effects.size === 0) return Effect.void
      const all = Effect.forEach(effects.values(), Effect.ignore, { concurrency: AT_ONCE, discard: true })
      // In a fiber of its own: whoever closes the scope may have been interrupted.
      const bounded = Effect.interruptible(Effect.raceFirst(Effect.disconnect(all), late))
      return Effect.flatMap(Effect.forkDaemon(bounded), Fiber.await)
    })
    return { ...(yield* make), atEnd: (key, effect) => void effects.set(key, effect) }
  })
)

/** The operations alone, for a store that is wrapped before it is used: to fail, to be slow, to be counted. */
export function backend(): Effect.Effect<TokenStoreBackend> {
  return Effect.map(PubSub.sliding<TokenChange>(1_000), (changes): TokenStoreBackend => {
    const rows = new Map<string, StoredRow>()
    let highest = 0

    const write = (key: string, row: StoredRow) => {
      highest = Math.max(highest, row.generation)
      rows.set(key, row)
    }
    /** Runs `step` at one instant and, where it says true, tells of the change. */
    const step = (key: string, change: (now: number) => boolean) =>
      Effect.tap(Effect.map(Clock.currentTimeMillis, change), (changed) =>
        changed ? PubSub.publish(changes, { key, generation: rows.get(key)?.generation ?? 0 }) : Effect.void
      )
    const owned = (key: string, owner: string, generation: number) => {
      const row = rows.get(key)
      return row?.leaseOwner === owner && row.generation === generation ? row : undefined
    }

    return {
      load: (key) =>
        Effect.map(Clock.currentTimeMillis, (now): Snapshot => ({ now, row: rows.get(key), floor: highest })),
      put: (key, { expected, generation, payload, dueIn }) =>
        step(key, (now) => {
          if (rows.get(key)?.generation !== expected) return false
          write(key, { ...empty(generation), payload, dueAt: after(now, dueIn), scheduledAt: now, refreshedAt: now })
          return true
        }),
      lease: (key, { owner, known, lasts, presents, force, early }) =>
        Effect.map(Clock.currentTimeMillis, (now): Snapshot => {
          if (known === undefined && !rows.has(key)) write(key, empty(Math.max(now, highest + 1)))
          const row = rows.get(key)
          if (row === undefined) return { now, row }
          const unchanged = known === undefined ? row.payload === undefined : row.generation === known
          const free = row.leaseOwner === undefined || row.leaseOwner === owner || (row.leaseUntil ?? 0) <= now
          const allowed = force || (!row.dead && (row.intentOwner === undefined || row.intentOwner === owner))
          if (unchanged && free && (row.failures === early || hasWaited(row, now)) && allowed) {
            const intent = presents && row.intentOwner === undefined ? { intentOwner: owner, intentAt: now } : {}
            write(key, { ...row, ...intent, leaseOwner: owner, leaseUntil: now + lasts, leasedAt: now })
          } else if (isAhead(row, now)) {
            write(key, { ...row, leaseUntil: now + (row.leaseUntil ?? now) - (row.leasedAt ?? now), leasedAt: now })
          }
          return { now, row: rows.get(key) }
        }),
      renew: (key, owner, lasts) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const row = rows.get(key)
          if (row?.leaseOwner !== owner) return false
          write(key, { ...row, leaseUntil: now + lasts, leasedAt: now })
          return true
        }),
      commit: (key, { owner, generation, tokens, dueIn }) =>
        step(key, (now) => {
          if (owned(key, owner, generation) === undefined) return false
          write(key, {
            ...empty(generation + 1),
            payload: tokens,
            dueAt: after(now, dueIn),
            scheduledAt: now,
            refreshedAt: now
          })
          return true
        }),
      fail: (key, { owner, generation, failure, inDoubt, dead, retryIn }) =>
        step(key, (now) => {
          const row = owned(key, owner, generation)
          if (row === undefined) return false
          const settled = row.intentOwner === owner && !inDoubt ? { intentOwner: undefined, intentAt: undefined } : {}
          write(key, {
            ...row,
            ...settled,
            leaseOwner: undefined,
            leaseUntil: undefined,
            leasedAt: undefined,
            dueAt: dead || row.dueAt === undefined ? undefined : now + retryIn,
            scheduledAt: now,
            claims: 0,
            failures: row.failures + 1,
            retryAt: now + retryIn,
            failedAt: now,
            failure,
            dead
          })
          return true
        }),
      remove: (key) => step(key, () => rows.delete(key)),
      due: ({ limit, lasts, latest = false }) =>
        Effect.map(Clock.currentTimeMillis, (now) =>
          [...rows]
            .filter(([, row]) => row.dueAt !== undefined && !row.dead && hasWaited(row, now))
            .filter(([, { dueAt = 0, scheduledAt = 0 }]) => dueAt <= now || scheduledAt > now + JITTER)
            .filter(([, row]) => row.leaseOwner === undefined || (row.leaseUntil ?? 0) <= now || isAhead(row, now))
            .filter(([, row]) => !latest || row.claims === 0)
            .sort(([, a], [, b]) => ((a.dueAt ?? 0) - (b.dueAt ?? 0)) * (latest ? -1 : 1))
            .slice(0, limit)
            .map(([key, row]) => {
              const wait = Math.min(lasts * 2 ** row.claims, Math.max(lasts, LONGEST_CLAIM))
              write(key, { ...row, dueAt: now + wait, scheduledAt: now, claims: row.claims + 1 })
              return { key, generation: row.generation }
            })
        ),
      firstDue: Effect.map(Clock.currentTimeMillis, (now) => {
        let dueAt: number | undefined
        for (const row of rows.values()) if (row.dueAt !== undefined) dueAt = Math.min(row.dueAt, dueAt ?? row.dueAt)
        return { now, dueAt }
      }),
      page: ({ after = "", limit, prefix = "", state }) =>
        Effect.map(Clock.currentTimeMillis, (now) => ({
          now,
          rows: [...rows]
            .filter(([key, row]) => key > after && key.startsWith(prefix) && (state === undefined || isIn(state, row)))
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .slice(0, limit)
            .map(([key, row]) => ({ key, row }))
        })),
      changes: Stream.fromPubSub(changes)
    }
  })
}

/** Whether a lease was given later than now: the clock has been set back since. */
const isAhead = ({ leaseOwner, leasedAt = 0, leaseUntil = 0 }: StoredRow, now: number) =>
  leaseOwner !== undefined && leasedAt > now && leaseUntil >= leasedAt

/** Whether the next attempt's time has come, or was told by a clock that has been set back since. */
const hasWaited = ({ failedAt = 0, retryAt = 0 }: StoredRow, now: number) => retryAt <= now || failedAt > now + JITTER

const isIn = (state: RowState, { dead, failures, intentOwner, payload }: StoredRow): boolean => {
  if (dead || payload === undefined) return state === "dead"
  return state === "failing" ? failures > 0 || intentOwner !== undefined : state === "sound" && failures === 0
}

const after = (now: number, wait: number | undefined) => (wait === undefined ? undefined : now + wait)

const empty = (generation: number): StoredRow => ({
  generation,
  payload: undefined,
  leaseOwner: undefined,
  leaseUntil: undefined,
  leasedAt: undefined,
  intentOwner: undefined,
  intentAt: undefined,
  dueAt: undefined,
  scheduledAt: undefined,
  claims: 0,
  failures: 0,
  retryAt: undefined,
  dead: false,
  failure: undefined,
  refreshedAt: undefined,
  failedAt: undefined
})

// A clock that is only adjusted goes back by less.
const JITTER = 1_000
const LONGEST_CLAIM = Duration.toMillis("15 minutes")
/** How many keys what is left to do at the end is done for at a time, and for how long in all. */
const AT_ONCE = 16
const END = Duration.seconds(10)
