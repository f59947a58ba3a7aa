import * as Effect from "effect/Effect"
import type { TokenStoreBackend } from "../store/TokenStoreBackend.js"
import { asks, failed, holds, kept, LONG, load, MINUTE, newKey, type StoreCase, same } from "./StoreCase.js"

/** What `due` promises. A due time of no or a negative wait has come already. */
export const claims: ReadonlyArray<StoreCase> = [
  {
    title: "claims what is due, the longest due first, or the latest, as many as asked for",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      yield* drain(backend)
      const fourth = yield* kept(backend, "fourth", -MINUTE)
      const third = yield* kept(backend, "third", -2 * MINUTE)
      const first = yield* kept(backend, "first", -4 * MINUTE)
      const second = yield* kept(backend, "second", -3 * MINUTE)
      const later = yield* kept(backend, "later", LONG)
      const never = yield* kept(backend, "never")
      yield* same("the first claim", yield* other.due({ limit: 2, lasts: LONG }), [first, second])
      yield* same("the second claim", yield* backend.due({ limit: 1, lasts: LONG, latest: true }), [fourth])
      yield* same("the claim after", yield* backend.due({ limit: 2, lasts: LONG, latest: true }), [third])
      yield* same("the third claim", yield* backend.due({ limit: 2, lasts: LONG }), [])
      yield* same("what is never due", (yield* load(backend, never.key)).dueAt, undefined)
      yield* holds("what is due later", ((yield* load(backend, later.key)).dueAt ?? 0) > 0)
    })
  },
  {
    title: "says when the first row is due, and that none is",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      if (backend.firstDue === undefined || other.firstDue === undefined) return
      yield* drain(backend)
      const before = yield* other.firstDue
      yield* kept(backend, "never")
      yield* same("where nothing more is due", (yield* other.firstDue).dueAt, before.dueAt)
      const late = yield* kept(backend, "late", -60_000)
      const later = yield* kept(backend, "later", -1_000)
      const first = yield* other.firstDue
      yield* same("the first due time", first.dueAt, (yield* load(backend, late.key)).dueAt)
      yield* holds("the clock beside it", Math.abs(first.now - (yield* backend.load(late.key)).now) < 60_000)
      yield* backend.due({ limit: 1, lasts: LONG })
      yield* same("once the first is claimed", (yield* other.firstDue).dueAt, (yield* load(backend, later.key)).dueAt)
    })
  },
  {
    title: "a claim gives the key to nobody else until it has run out, and changes nothing but that (P5)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      yield* drain(backend)
      const due = yield* kept(backend, "due", 0)
      const before = yield* load(backend, due.key)
      yield* same("a claim of no length", yield* backend.due({ limit: 9, lasts: 0 }), [due])
      const latest = yield* other.due({ limit: 9, lasts: LONG, latest: true })
      yield* same("one of what was not claimed before", latest, [])
      yield* same("the next claim", yield* other.due({ limit: 9, lasts: LONG }), [due])
      yield* same("the claim after", yield* backend.due({ limit: 9, lasts: LONG }), [])
      const { now } = yield* backend.load(due.key)
      const { claims, dueAt = 0, scheduledAt = 0, ...row } = yield* load(backend, due.key)
      const { claims: __, dueAt: ___, scheduledAt: ____, ...rest } = before
      yield* same("the rest of the row", row, rest)
      yield* same("how often it was claimed", claims, 2)
      yield* holds("its due time was set now", scheduledAt >= (before.scheduledAt ?? 0) && scheduledAt <= now)
      yield* holds("it is due again when the claim ran out", dueAt <= now + LONG && dueAt >= (before.dueAt ?? 0) + LONG)
    })
  },
  {
    title: "does not claim what another renews, what is dead and what backs off (P5, P8)",
    test: Effect.fnUntraced(function* ({ backend }) {
      yield* drain(backend)
      const held = yield* kept(backend, "held", 0)
      yield* backend.lease(held.key, asks("a", { known: held.generation }))
      const dead = yield* kept(backend, "dead", 0)
      yield* backend.lease(dead.key, asks("a", { known: dead.generation }))
      yield* backend.fail(dead.key, failed("a", dead.generation, { dead: true }))
      const waits = yield* kept(backend, "waits", 0)
      yield* backend.lease(waits.key, asks("a", { known: waits.generation }))
      yield* backend.fail(waits.key, failed("a", waits.generation, { retryIn: LONG }))
      const free = yield* kept(backend, "free", -1)
      yield* same("the claim", yield* backend.due({ limit: 9, lasts: LONG }), [free])
      yield* backend.renew(held.key, "a", 0)
      yield* same("the claim once the lease ran out", yield* backend.due({ limit: 9, lasts: LONG }), [held])
    })
  },
  {
    title: "claims again what failed, once its next attempt is due, and what was committed, once that is (P8)",
    test: Effect.fnUntraced(function* ({ backend }) {
      yield* drain(backend)
      const { generation, key } = yield* kept(backend, "again", 0)
      yield* backend.due({ limit: 9, lasts: LONG })
      yield* backend.lease(key, asks("a", { known: generation }))
      yield* backend.fail(key, failed("a", generation, { retryIn: 0 }))
      yield* same("after the failure", yield* backend.due({ limit: 9, lasts: LONG }), [{ key, generation }])
      yield* backend.lease(key, asks("a", { known: generation }))
      yield* backend.commit(key, { owner: "a", generation, tokens: "{}", dueIn: 0 })
      yield* same("after the commit", yield* backend.due({ limit: 9, lasts: LONG }), [
        { key, generation: generation + 1 }
      ])
      yield* backend.remove(key)
      yield* same("after the removal", yield* backend.due({ limit: 9, lasts: LONG }), [])
    })
  },
  {
    title: "claims made at the same time share nothing, and leave nothing out (P1)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      yield* drain(backend)
      const made = yield* Effect.forEach(Array.from({ length: 40 }), (_, at) => kept(backend, "many", at - 40))
      const claim = (at: number) => (at % 2 === 0 ? backend : other).due({ limit: 10, lasts: LONG })
      const claimed = yield* Effect.forEach([0, 1, 2, 3, 4, 5], claim, { concurrency: "unbounded" })
      const rest = yield* drain(backend)
      const keys = [...claimed.flat(), ...rest].map(({ key }) => key)
      yield* same("every key once", keys.sort(), made.map(({ key }) => key).sort())
    })
  },
  {
    title: "a key that was leased but has no tokens yet is not due",
    test: Effect.fnUntraced(function* ({ backend }) {
      yield* drain(backend)
      yield* backend.lease(yield* newKey("empty"), asks("a", { lasts: 0 }))
      yield* same("the claim", yield* backend.due({ limit: 9, lasts: LONG }), [])
    })
  }
]

/** Claims whatever other cases left due. */
const drain = (backend: TokenStoreBackend) => backend.due({ limit: 10_000, lasts: LONG })
