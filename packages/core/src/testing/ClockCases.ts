import * as Effect from "effect/Effect"
import type { TokenChange, TokenStoreBackend } from "../store/TokenStoreBackend.js"
import {
  asks,
  failed,
  holds,
  kept,
  LONG,
  leased,
  load,
  MINUTE,
  type StoreCase,
  type StoreUnderTest,
  same
} from "./StoreCase.js"

const HOUR = 3_600_000

/** What holds although the store's clock can be set. */
export const clocks: ReadonlyArray<StoreCase> = [
  {
    title: "a lease never lasts longer than its length, although the clock is set back a minute or an hour (P5)",
    test: each(
      Effect.fnUntraced(function* ({ backend, other = backend }, move, step) {
        const { generation, key } = yield* leased(backend, "set back", "a", 10_000)
        yield* move(step)
        const { now } = yield* backend.load(key)
        const asked = asks("b", { known: generation, presents: true, force: true })
        const row = (yield* other.lease(key, asked)).row
        yield* same("the owner", row?.leaseOwner, "a")
        yield* holds("it ends its length from now", (row?.leaseUntil ?? 0) >= now + 10_000 - 1)
        yield* holds("and no later", (row?.leaseUntil ?? 0) <= (yield* backend.load(key)).now + 10_000)
        yield* same("whoever asks again", (yield* other.lease(key, asked)).row?.leaseOwner, "a")
        yield* move(-10_000)
        yield* same("the owner once it ran out", (yield* other.lease(key, asked)).row?.leaseOwner, "b")
      })
    )
  },
  {
    title: "the holder of a lease keeps it by renewing it, although the clock is set back (P1)",
    test: each(
      Effect.fnUntraced(function* ({ backend, other = backend }, move, step) {
        const { generation, key } = yield* leased(backend, "renewed", "a", 10_000)
        yield* move(step)
        yield* same("renew", yield* backend.renew(key, "a", 10_000), true)
        yield* move(-5_000)
        const row = (yield* other.lease(key, asks("b", { known: generation, force: true }))).row
        yield* same("the owner", row?.leaseOwner, "a")
        const commit = { owner: "a", generation, tokens: "{}", dueIn: LONG }
        yield* same("commit", yield* backend.commit(key, commit), true)
      })
    )
  },
  {
    title: "a key whose lease was given by a clock that was set back is claimed when it is due (P5, P9)",
    test: each(
      Effect.fnUntraced(function* ({ backend }, move, step) {
        const { generation, key } = yield* kept(backend, "leased", 0)
        yield* backend.lease(key, asks("a", { known: generation, lasts: 10_000 }))
        yield* same("while it is held", yield* claim(backend, LONG, { key, generation }), [])
        yield* move(step)
        yield* same("after the step", yield* claim(backend, LONG, { key, generation }), [{ key, generation }])
      })
    )
  },
  {
    title: "a back-off does not last longer because the clock is set back; an adjustment does not end it (P8, P9)",
    test: each(
      Effect.fnUntraced(function* ({ backend }, move, step) {
        const { generation, key } = yield* kept(backend, "backs off", 0)
        yield* backend.lease(key, asks("a", { known: generation }))
        yield* backend.fail(key, failed("a", generation, { retryIn: 50_000 }))
        const ask = Effect.map(backend.lease(key, asks("b", { known: generation })), ({ row }) => row?.leaseOwner)
        yield* move(900)
        yield* same("the owner of a lease during the back-off", yield* ask, undefined)
        yield* same("what is due meanwhile", yield* claim(backend, LONG, { key, generation }), [])
        yield* move(step)
        yield* same("what is due after the step", yield* claim(backend, 0, { key, generation }), [{ key, generation }])
        yield* same("the owner of a lease after it", yield* ask, "b")
      })
    )
  },
  {
    title: "what was due or claimed by a clock that was set back is claimed at once, and once (P9)",
    test: each(
      Effect.fnUntraced(function* ({ backend }, move, step) {
        const [claimed, later] = [yield* kept(backend, "claimed", 0), yield* kept(backend, "later", 30_000)]
        yield* same("the first claim", yield* claim(backend, 20_000, claimed, later), [claimed])
        yield* move(900)
        yield* same("after an adjustment", yield* claim(backend, LONG, claimed, later), [])
        yield* move(step)
        yield* same("after the step", yield* claim(backend, LONG, claimed, later), [claimed, later])
        yield* same("then", yield* claim(backend, LONG, claimed, later), [])
      })
    )
  },
  {
    title: "an hour ahead and an hour back leave leases, back-offs and due times no longer than they are (P5, P8, P9)",
    test: Effect.fnUntraced(function* ({ backend, setBack }) {
      if (setBack === undefined) return
      yield* setBack(-HOUR)
      const held = yield* leased(backend, "held", "a", 10_000)
      const late = yield* leased(backend, "late", "a")
      yield* backend.fail(late.key, failed("a", late.generation, { retryIn: 50_000 }))
      const due = yield* kept(backend, "due", 10_000)
      yield* setBack(HOUR)
      const ask = ({ generation, key }: typeof held) =>
        Effect.map(backend.lease(key, asks("b", { known: generation, force: true })), ({ row }) => row?.leaseOwner)
      yield* same("what is due", yield* claim(backend, LONG, due), [due])
      yield* same("the back-off", yield* ask(late), "b")
      yield* same("the lease", yield* ask(held), "a")
      yield* setBack(-10_000)
      yield* same("the lease once it ran out", yield* ask(held), "b")
    })
  },
  {
    title: "each claim that nothing came of lasts twice as long as the one before, up to a quarter of an hour",
    test: Effect.fnUntraced(function* ({ backend, setBack }) {
      if (setBack === undefined) return
      const { generation, key } = yield* kept(backend, "rests", 0)
      const next = Effect.gen(function* () {
        const before = (yield* backend.load(key)).now
        yield* same("the claim", yield* claim(backend, 10_000, { key, generation }), [{ key, generation }])
        const { now, row } = yield* backend.load(key)
        const [least, most] = [(row?.dueAt ?? 0) - now, (row?.dueAt ?? 0) - before]
        yield* setBack(-least)
        yield* setBack(-(now - before) - 1)
        return [least, most] as const
      })
      const lasts = (what: string, expected: number) =>
        Effect.flatMap(next, ([least, most]) =>
          holds(`${what} lasts ${expected}`, least <= expected && expected <= most)
        )
      for (const expected of [10, 20, 40, 80, 160, 320, 640, 900, 900]) yield* lasts("a claim", expected * 1_000)
      yield* backend.lease(key, asks("a", { known: generation }))
      yield* backend.fail(key, failed("a", generation))
      yield* lasts("a claim after a failure", 10_000)
      yield* lasts("the next claim", 20_000)
      yield* backend.put(key, { expected: generation, generation, payload: "{}", dueIn: 0 })
      yield* lasts("a claim after a login", 10_000)
      yield* backend.lease(key, asks("a", { known: generation }))
      yield* backend.commit(key, { owner: "a", generation, tokens: "{}", dueIn: 0 })
      yield* same("the claims", (yield* load(backend, key)).claims, 0)
      yield* backend.remove(key)
    })
  }
]

/** A case for a clock that is set back by a minute, and by an hour. */
function each(
  test: (
    store: StoreUnderTest,
    move: (millis: number) => Effect.Effect<void, unknown>,
    step: number
  ) => Effect.Effect<void, unknown>
): StoreCase["test"] {
  return (store) => {
    const { setBack } = store
    return setBack === undefined
      ? Effect.void
      : Effect.forEach([MINUTE, HOUR], (step) => test(store, setBack, step), { discard: true })
  }
}

/** Those of `mine` that are claimed, beside what other cases left. */
const claim = (backend: TokenStoreBackend, lasts: number, ...mine: ReadonlyArray<TokenChange>) =>
  Effect.map(backend.due({ limit: 10_000, lasts }), (claimed) =>
    claimed.filter(({ key }) => mine.some((one) => one.key === key))
  )
