import * as Effect from "effect/Effect"
import { TokenSet } from "../model/TokenSet.js"
import { TokenStore } from "../store/TokenStore.js"
import { asks, failed, holds, kept, LONG, leased, load, newKey, type StoreCase, same } from "./StoreCase.js"

/** What holds when many ask at once, half of them through the other connection. */
export const races: ReadonlyArray<StoreCase> = [
  {
    title: "gives the lease to one of 100 who ask at once, and shows all of them the winner (P1)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "race")
      const asked = yield* at100(
        (via, at) => via.lease(key, asks(`o${at}`, { known: generation, presents: true })),
        backend,
        other
      )
      const { leaseOwner, intentOwner } = yield* load(backend, key)
      const owners = new Set(asked.map(({ row }) => row?.leaseOwner))
      yield* same("the owners that were shown", [...owners], [leaseOwner])
      yield* same("the intent", intentOwner, leaseOwner)
      const won = asked.filter(({ row }, at) => row?.leaseOwner === `o${at}`)
      yield* same("how many won", won.length, 1)
    })
  },
  {
    title: "gives the first lease of a new key to one of 100 who ask at once (P1)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("first race")
      const asked = yield* at100((via, at) => via.lease(key, asks(`o${at}`)), backend, other)
      const won = asked.filter(({ row }, at) => row?.leaseOwner === `o${at}`)
      yield* same("how many won", won.length, 1)
      yield* same("the generations", new Set(asked.map(({ row }) => row?.generation)).size, 1)
    })
  },
  {
    title: "takes one of 100 commits at once, and one of 100 puts at once (P2)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "commits", "a")
      const commit = (tokens: string) => ({ owner: "a", generation, tokens, dueIn: undefined })
      const commits = yield* at100((via, at) => via.commit(key, commit(`${at}`)), backend, other)
      yield* same("how many commits won", commits.filter((won) => won).length, 1)
      const row = yield* load(backend, key)
      yield* same("the row", [row.generation, row.payload], [generation + 1, `${commits.indexOf(true)}`])
      const put = (at: number) => ({
        expected: row.generation,
        generation: row.generation + 1,
        payload: `${at}`,
        dueIn: undefined
      })
      const puts = yield* at100((via, at) => via.put(key, put(at)), backend, other)
      yield* same("how many puts won", puts.filter((won) => won).length, 1)
      yield* same("the payload", (yield* load(backend, key)).payload, `${puts.indexOf(true)}`)
    })
  },
  {
    title: "a commit and a failure of one lease, or a commit and a removal: one of them counts (P2, P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      for (let round = 0; round < 10; round++) {
        const { generation, key } = yield* leased(backend, "both", "a")
        const commit = backend.commit(key, { owner: "a", generation, tokens: "new", dueIn: undefined })
        const [saved, noted] = yield* Effect.all([commit, other.fail(key, failed("a", generation))], { concurrency: 2 })
        yield* holds("exactly one of commit and failure", saved !== noted)
        const again = yield* leased(backend, "both", "a")
        const late = backend.commit(again.key, {
          owner: "a",
          generation: again.generation,
          tokens: "new",
          dueIn: undefined
        })
        yield* Effect.all([late, other.remove(again.key)], { concurrency: 2 })
        yield* same("the row", (yield* backend.load(again.key)).row, undefined)
      }
    })
  },
  {
    title: "every put at once gets a generation of its own (P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("logins")
      const [one, two] = [TokenStore.make(backend), TokenStore.make(other)]
      const tokens = TokenSet.make({ accessToken: "a" })
      const put = (at: number) => (at % 2 === 0 ? one : two).put(key, tokens, LONG)
      const generations = yield* Effect.forEach([0, 1, 2, 3, 4, 5], put, { concurrency: "unbounded" })
      yield* same("how many generations", new Set(generations).size, 6)
      yield* same("the last one", (yield* load(backend, key)).generation, Math.max(...generations))
    })
  }
]

/** Runs `step` 100 times at once, through both connections. */
const at100 = <B, A, E>(step: (via: B, at: number) => Effect.Effect<A, E>, backend: B, other: B) =>
  Effect.forEach(Array.from({ length: 100 }), (_, at) => step(at % 2 === 0 ? backend : other, at), {
    concurrency: "unbounded"
  })
