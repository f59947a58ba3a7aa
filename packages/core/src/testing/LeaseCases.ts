import * as Effect from "effect/Effect"
import { asks, failed, holds, kept, LONG, leased, load, newKey, rowOf, type StoreCase, same } from "./StoreCase.js"

/** What `lease` and `renew` promise. Leases of no length have run out at once. */
export const leases: ReadonlyArray<StoreCase> = [
  {
    title: "the first lease of a key makes its row, without tokens, and is given (P1)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("first")
      const { now: before } = yield* backend.load(key)
      const { now, row } = yield* backend.lease(key, asks("a"))
      const made = yield* rowOf({ now, row })
      const { generation, leasedAt = 0, leaseUntil = 0, ...rest } = made
      yield* holds(
        "the generation is the store's clock or above",
        Number.isSafeInteger(generation) && generation >= before
      )
      yield* same("the row", rest, { leaseOwner: "a", claims: 0, failures: 0, dead: false })
      yield* same("the lease was given that long before it ends", leaseUntil - leasedAt, LONG)
      yield* holds("the lease lasts as long as asked", leaseUntil >= before + LONG && leaseUntil <= now + LONG)
      yield* same("the row as others see it", yield* load(other, key), made)
    })
  },
  {
    title: "a lease for a known generation makes no row (P10)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const key = yield* newKey("unmade")
      yield* same("the row given", (yield* backend.lease(key, asks("a", { known: 1 }))).row, undefined)
      yield* same("the row", (yield* backend.load(key)).row, undefined)
    })
  },
  {
    title: "gives the lease where nothing changed, and writes the intent with it (P1, P4)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "lease", LONG)
      const before = yield* load(backend, key)
      const { now, row } = yield* backend.lease(key, asks("a", { known: generation, presents: true }))
      const given = yield* rowOf({ now, row })
      const { leasedAt, leaseUntil = 0, intentAt = 0 } = given
      yield* same("the row", given, { ...before, leaseOwner: "a", leasedAt, leaseUntil, intentOwner: "a", intentAt })
      yield* same("the intent is of the instant the lease was given", intentAt, leasedAt)
      yield* same("the intent is of the instant of the lease", leaseUntil - intentAt, LONG)
      yield* same("the row as others see it", yield* load(other, key), given)
    })
  },
  {
    title: "writes no intent where no refresh token is about to be presented",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* kept(backend, "lease")
      const row = yield* rowOf(yield* backend.lease(key, asks("a", { known: generation })))
      yield* same("owner and intent", [row.leaseOwner, row.intentOwner, row.intentAt], ["a", undefined, undefined])
    })
  },
  {
    title: "refuses the lease where the tokens are not the known ones any more, and gives the row instead (P1)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "newer")
      const before = yield* load(backend, key)
      for (const known of [undefined, generation - 1, generation + 1]) {
        const { row } = yield* other.lease(key, asks("a", { known, presents: true, force: true }))
        yield* same(`the row given to who knows ${known}`, row, before)
      }
      yield* same("the row", yield* load(backend, key), before)
    })
  },
  {
    title: "refuses what another holds, whatever is forced, and shows who holds it (P1, P5)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "held", "a")
      const before = yield* load(backend, key)
      for (const force of [false, true]) {
        const { row } = yield* other.lease(key, asks("b", { known: generation, presents: true, force }))
        yield* same("the row given", row, before)
      }
      yield* same("the row", yield* load(backend, key), before)
      const first = yield* newKey("held first")
      yield* backend.lease(first, asks("a"))
      const { row } = yield* other.lease(first, asks("b"))
      yield* same("the owner of a first lease", row?.leaseOwner, "a")
    })
  },
  {
    title: "gives the lease to its owner again, and keeps the first intent",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* leased(backend, "again", "a", 1_000)
      const { intentAt, leaseUntil = 0 } = yield* load(backend, key)
      const row = yield* rowOf(yield* backend.lease(key, asks("a", { known: generation, presents: true })))
      yield* same("the intent", [row.intentOwner, row.intentAt], ["a", intentAt])
      yield* holds("it lasts longer", row.leaseOwner === "a" && (row.leaseUntil ?? 0) > leaseUntil)
    })
  },
  {
    title: "gives a lease that ran out to the next who asks (P5)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "ran out")
      yield* backend.lease(key, asks("a", { known: generation, lasts: 0 }))
      const row = yield* rowOf(yield* other.lease(key, asks("b", { known: generation, presents: true })))
      yield* same("owner and intent", [row.leaseOwner, row.intentOwner], ["b", "b"])
      const first = yield* newKey("ran out first")
      const { row: made } = yield* backend.lease(first, asks("a", { lasts: 0 }))
      const next = yield* rowOf(yield* other.lease(first, asks("b", { presents: true })))
      const { intentOwner, leaseOwner, leaseUntil = 0 } = next
      yield* same("owner and intent of a first lease", [leaseOwner, intentOwner], ["b", "b"])
      yield* holds("it lasts from now", leaseUntil >= (made?.leaseUntil ?? 0) + LONG)
    })
  },
  {
    title: "does not give the lease before the time of the next attempt, whatever is forced (P8)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "back-off", "a")
      yield* backend.fail(key, failed("a", generation, { retryIn: LONG }))
      const before = yield* load(backend, key)
      for (const force of [false, true]) {
        yield* same("the row given", (yield* other.lease(key, asks("b", { known: generation, force }))).row, before)
      }
      const again = yield* leased(backend, "back-off over", "a")
      yield* backend.fail(again.key, failed("a", again.generation, { retryIn: 0 }))
      const { row } = yield* other.lease(again.key, asks("b", { known: again.generation }))
      yield* same("the owner once it is over", row?.leaseOwner, "b")
    })
  },
  {
    title: "gives it early only to who knows how many attempts failed, and while no other holds it (P8)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "early", "a")
      yield* backend.fail(key, failed("a", generation, { retryIn: LONG }))
      const before = yield* load(backend, key)
      for (const early of [0, 2]) {
        yield* same("the row given", (yield* other.lease(key, asks("b", { known: generation, early }))).row, before)
      }
      const { row } = yield* other.lease(key, asks("b", { known: generation, early: 1 }))
      yield* same("the owner", row?.leaseOwner, "b")
      const held = yield* backend.lease(key, asks("c", { known: generation, early: 1 }))
      yield* same("the owner still", held.row?.leaseOwner, "b")
      yield* other.fail(key, failed("b", generation, { retryIn: LONG }))
      const late = yield* backend.lease(key, asks("c", { known: generation, early: 1 }))
      yield* same("who is late", late.row?.leaseOwner, undefined)
    })
  },
  {
    title: "gives the lease of a dead grant only to who forces it, and it stays dead until a commit (P3)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "dead", "a")
      yield* backend.fail(key, failed("a", generation, { dead: true }))
      const before = yield* load(backend, key)
      yield* same("the row given", (yield* other.lease(key, asks("b", { known: generation }))).row, before)
      const forced = yield* rowOf(yield* other.lease(key, asks("b", { known: generation, force: true })))
      yield* same("owner and death", [forced.leaseOwner, forced.dead], ["b", true])
    })
  },
  {
    title: "gives the lease of a row in doubt only to who forces it or raised the doubt; the first intent stays (P4)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "doubt", "a", 0)
      const before = yield* load(backend, key)
      const asked = asks("b", { known: generation, presents: true, lasts: 0 })
      yield* same("the row given", (yield* other.lease(key, asked)).row, before)
      const mine = yield* rowOf(yield* backend.lease(key, asks("a", { known: generation, presents: true, lasts: 0 })))
      yield* same("owner and intent", [mine.leaseOwner, mine.intentOwner, mine.intentAt], ["a", "a", before.intentAt])
      const forced = yield* rowOf(yield* other.lease(key, { ...asked, force: true }))
      yield* same("when forced", [forced.leaseOwner, forced.intentOwner, forced.intentAt], ["b", "a", before.intentAt])
    })
  },
  {
    title: "renews a lease, even one that ran out; not one that another took over (P5)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "renew")
      yield* same("renew what nobody has", yield* backend.renew(key, "a", LONG), false)
      yield* backend.lease(key, asks("a", { known: generation, lasts: 0 }))
      const before = yield* load(backend, key)
      yield* same("renew", yield* backend.renew(key, "a", LONG), true)
      const { leasedAt, leaseUntil = 0, ...row } = yield* load(other, key)
      yield* same("the rest of the row", { ...row, leasedAt: before.leasedAt, leaseUntil: before.leaseUntil }, before)
      yield* same("it is given anew", leaseUntil - (leasedAt ?? 0), LONG)
      yield* holds("it lasts from now", leaseUntil >= (before.leaseUntil ?? 0) + LONG)
      yield* same("renew as another", yield* other.renew(key, "b", LONG), false)
      yield* backend.renew(key, "a", 0)
      yield* other.lease(key, asks("b", { known: generation }))
      yield* same("renew what was taken over", yield* backend.renew(key, "a", LONG), false)
      yield* same("the owner", (yield* load(backend, key)).leaseOwner, "b")
      yield* same("renew where there is no row", yield* backend.renew(yield* newKey("none"), "a", LONG), false)
    })
  }
]
