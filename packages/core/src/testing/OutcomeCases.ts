import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { TokenChange } from "../store/TokenStoreBackend.js"
import {
  asks,
  ContractBroken,
  failed,
  holds,
  kept,
  LONG,
  leased,
  load,
  newKey,
  type StoreCase,
  same
} from "./StoreCase.js"

/** What `commit`, `fail` and `changes` promise. */
export const outcomes: ReadonlyArray<StoreCase> = [
  {
    title: "commits as the next generation and ends lease, doubt, failures and death (P4)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "commit", "a")
      yield* backend.fail(key, failed("a", generation, { inDoubt: true, dead: true }))
      yield* other.lease(key, asks("b", { known: generation, presents: true, force: true }))
      const commit = { owner: "b", generation, tokens: "new", dueIn: LONG }
      const { now } = yield* backend.load(key)
      yield* same("commit", yield* other.commit(key, commit), true)
      const { dueAt = 0, refreshedAt = 0, scheduledAt, ...row } = yield* load(backend, key)
      yield* same("the row", row, { generation: generation + 1, payload: "new", claims: 0, failures: 0, dead: false })
      yield* holds("it was refreshed now", refreshedAt >= now)
      yield* same("it is due when it was said to be", [dueAt - refreshedAt, scheduledAt], [LONG, refreshedAt])
    })
  },
  {
    title: "commits the first tokens of a key",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("first")
      const { row } = yield* backend.lease(key, asks("a"))
      const generation = row?.generation ?? 0
      yield* same(
        "commit",
        yield* backend.commit(key, { owner: "a", generation, tokens: "{}", dueIn: undefined }),
        true
      )
      const { dueAt, payload, generation: now } = yield* load(other, key)
      yield* same("the row", [now, payload, dueAt], [generation + 1, "{}", undefined])
    })
  },
  {
    title: "lets a lease that ran out commit and fail as long as nobody took it (P4, P5)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* leased(backend, "late", "a", 0)
      yield* same(
        "commit",
        yield* backend.commit(key, { owner: "a", generation, tokens: "new", dueIn: undefined }),
        true
      )
      const again = yield* leased(backend, "late", "a", 0)
      yield* same("fail", yield* backend.fail(again.key, failed("a", again.generation)), true)
    })
  },
  {
    title: "lets nobody but the owner of the lease commit or fail, and only on the generation it was given (P2, P5)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "fenced", "a", 0)
      yield* other.lease(key, asks("b", { known: generation, force: true }))
      const before = yield* load(backend, key)
      const tries = [
        ["a", generation],
        ["c", generation],
        ["b", generation - 1],
        ["b", generation + 1]
      ] as const
      for (const [owner, at] of tries) {
        const commit = { owner, generation: at, tokens: "stolen", dueIn: 0 }
        yield* same(`commit of ${owner}`, yield* backend.commit(key, commit), false)
        yield* same(`failure of ${owner}`, yield* backend.fail(key, failed(owner, at, { dead: true })), false)
      }
      yield* same("the row", yield* load(backend, key), before)
      const free = yield* kept(backend, "free")
      const commit = { owner: "a", generation: free.generation, tokens: "stolen", dueIn: 0 }
      yield* same("commit without a lease", yield* backend.commit(free.key, commit), false)
      yield* same("failure without a lease", yield* backend.fail(free.key, failed("a", free.generation)), false)
    })
  },
  {
    title: "a failure ends the lease, is counted, and puts off the next attempt; the tokens stay (P2, P8)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "failure", 0)
      for (const failures of [1, 2]) {
        yield* backend.lease(key, asks("a", { known: generation, presents: true }))
        const { now } = yield* backend.load(key)
        const retryIn = failures === 1 ? 0 : LONG
        const failure = `{"by":"refresh","tag":"TokenEndpointError","detail":"n° ${failures}"}`
        yield* same("fail", yield* backend.fail(key, failed("a", generation, { failure, retryIn })), true)
        const { dueAt = 0, failedAt = 0, refreshedAt: _, retryAt = 0, scheduledAt, ...row } = yield* load(other, key)
        yield* same("the row", row, { generation, payload: "{}", claims: 0, failures, failure, dead: false })
        yield* same(
          "the next attempt",
          [retryAt - failedAt, dueAt - failedAt, scheduledAt],
          [retryIn, retryIn, failedAt]
        )
        yield* holds("it failed now", failedAt >= now)
      }
    })
  },
  {
    title: "a failure makes nothing due that was not due at all",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* leased(backend, "failure", "a")
      yield* backend.fail(key, failed("a", generation, { retryIn: LONG }))
      yield* same("the due time", (yield* load(backend, key)).dueAt, undefined)
    })
  },
  {
    title: "a refused grant is dead, due no more, and keeps its tokens and its reason (P2, P3)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* kept(backend, "dead", LONG)
      yield* backend.lease(key, asks("a", { known: generation, presents: true }))
      const failure = '{"by":"refresh","tag":"GrantRejected","code":"invalid_grant"}'
      yield* backend.fail(key, failed("a", generation, { failure, dead: true }))
      const row = yield* load(backend, key)
      yield* same("the row", [row.dead, row.dueAt, row.payload, row.failure], [true, undefined, "{}", failure])
    })
  },
  {
    title: "a failure settles the doubt of who raised it, unless the answer never came (P4)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "doubt", "a")
      const before = yield* load(backend, key)
      yield* backend.fail(key, failed("a", generation, { inDoubt: true }))
      const doubted = yield* load(backend, key)
      yield* same("in doubt", [doubted.intentOwner, doubted.intentAt], ["a", before.intentAt])
      yield* other.lease(key, asks("b", { known: generation, presents: true, force: true }))
      yield* other.fail(key, failed("b", generation))
      const still = yield* load(backend, key)
      yield* same("after another's failure", [still.leaseOwner, still.intentOwner], [undefined, "a"])
      yield* backend.lease(key, asks("a", { known: generation, presents: true }))
      yield* backend.fail(key, failed("a", generation))
      const settled = yield* load(backend, key)
      yield* same("settled", [settled.intentOwner, settled.intentAt, settled.failures], [undefined, undefined, 3])
    })
  },
  {
    title: "hints at each put, commit, failure and removal, whoever made it, if it hints at all",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      if (backend.changes === undefined) return
      const { generation, key } = yield* kept(other, "watched")
      const hints = yield* Queue.unbounded<TokenChange>()
      const collect = Stream.runForEach(backend.changes, (change) =>
        change.key === key ? hints.offer(change) : Effect.void
      )
      yield* Effect.forkScoped(collect)
      const told = (what: string, of: number) =>
        Effect.repeat(hints.take, { until: (change) => change.generation === of }).pipe(
          Effect.timeoutFail({
            duration: "30 seconds",
            onTimeout: () => new ContractBroken({ message: `no hint of ${what}` })
          })
        )
      // Whether anybody listens yet cannot be seen, so the first change is made until it is heard of.
      const put = other.put(key, { expected: generation, generation, payload: "{}", dueIn: undefined })
      yield* Effect.repeat(Effect.zipRight(put, Effect.yieldNow()), {
        until: () => hints.unsafeSize().pipe(Option.exists((size) => size > 0))
      })
      yield* other.lease(key, asks("a", { known: generation }))
      yield* other.commit(key, { owner: "a", generation, tokens: "{}", dueIn: undefined })
      yield* told("the commit", generation + 1)
      yield* other.lease(key, asks("a", { known: generation + 1 }))
      yield* other.fail(key, failed("a", generation + 1))
      yield* told("the failure", generation + 1)
      yield* other.remove(key)
      yield* told("the removal", 0)
    }, Effect.scoped)
  }
]
