import { assert, describe, it } from "@effect/vitest"
import type { TokenStoreBackend } from "@evertoken/core/store"
import { ContractBroken, simulate } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"
import { store } from "./Settable.js"

type Defect = (backend: TokenStoreBackend) => Partial<TokenStoreBackend>

const broken = (defect: Defect) =>
  Effect.map(MemoryTokenStore.backend(), (backend) => ({ backend: { ...backend, ...defect(backend) } }))

/** The store in memory, with one promise less each. */
const defects = {
  "lets one commit that lost its lease": ({ commit, load, put }) => ({
    commit: (key, result) =>
      Effect.flatMap(commit(key, result), (done) =>
        Effect.flatMap(load(key), ({ row }) => {
          if (done || row === undefined) return Effect.succeed(done)
          const { dueIn, tokens: payload } = result
          return put(key, { expected: row.generation, generation: row.generation + 1, payload, dueIn })
        })
      )
  }),
  "brings a row back by a commit": ({ commit, load, put }) => ({
    commit: (key, result) =>
      Effect.flatMap(commit(key, result), (done) =>
        Effect.flatMap(load(key), ({ floor = 0, now, row }) => {
          if (done || row !== undefined) return Effect.succeed(done)
          const { dueIn, tokens: payload } = result
          return put(key, { expected: undefined, generation: Math.max(now, floor) + 1, payload, dueIn })
        })
      )
  }),
  "loses a commit": ({ load }) => ({
    commit: (key, { generation, owner }) =>
      Effect.map(load(key), ({ row }) => row?.leaseOwner === owner && row.generation === generation)
  }),
  "loses the intent": ({ lease }) => ({ lease: (key, request) => lease(key, { ...request, presents: false }) }),
  "forgets the intent of a lost answer": ({ fail }) => ({
    fail: (key, result) => fail(key, { ...result, inDoubt: false })
  }),
  "forgets that a grant is dead": ({ fail }) => ({ fail: (key, result) => fail(key, { ...result, dead: false }) }),
  "gives a lease while another holds it": ({ fail, lease, load }) => ({
    lease: (key, request) =>
      Effect.flatMap(load(key), ({ row }) => {
        if (row?.leaseOwner === undefined || row.leaseOwner === request.owner) return lease(key, request)
        const { generation, leaseOwner: owner } = row
        const ended = fail(key, { owner, generation, failure: "{}", inDoubt: true, dead: false, retryIn: 0 })
        return Effect.zipRight(ended, lease(key, { ...request, force: true }))
      })
  }),
  "gives a lease although newer tokens are there": ({ lease, load }) => ({
    lease: (key, request) =>
      Effect.flatMap(load(key), ({ row }) =>
        lease(key, { ...request, known: row?.payload === undefined ? undefined : row.generation })
      )
  }),
  "gives the lease of a row in doubt to anybody": ({ lease }) => ({
    lease: (key, request) => lease(key, { ...request, force: true })
  }),
  "never ends a lease": ({ lease }) => ({ lease: (key, request) => lease(key, { ...request, lasts: 3_600_000 }) }),
  "renews a lease for anybody": ({ renew }) => ({ renew: (...args) => Effect.as(renew(...args), true) }),
  "puts tokens over those of a login elsewhere": ({ load, put }) => ({
    put: (key, row) => Effect.flatMap(load(key), (is) => put(key, { ...row, expected: is.row?.generation }))
  }),
  "removes nothing": () => ({ remove: () => Effect.succeed(true) }),
  "tells what it had before": ({ load }) => {
    const told = new Map<string, Effect.Effect.Success<ReturnType<typeof load>>>()
    return {
      load: (key) =>
        Effect.map(load(key), (is) => {
          const before = told.get(key) ?? is
          told.set(key, is)
          return { ...before, now: is.now }
        })
    }
  }
} satisfies Record<string, Defect>

describe("simulate", () => {
  it.live("a store that keeps what it is told passes", () =>
    simulate(
      Effect.map(MemoryTokenStore.backend(), (backend) => ({ backend })),
      { histories: 6 }
    )
  )

  it.live("one with a clock of its own is moved by setBack", () => simulate(store, { histories: 2 }))

  it.live("the same seed plays the same history", () =>
    Effect.gen(function* () {
      const play = Effect.flip(simulate(broken(defects["loses a commit"]), { histories: 40 }))
      assert.strictEqual((yield* play).message, (yield* play).message)
    })
  )

  for (const [what, defect] of Object.entries(defects)) {
    it.live(`finds a store that ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(simulate(broken(defect), { histories: 40 }))
        assert.instanceOf(error, ContractBroken)
        assert.match(error.message, /^seed \d+: P\d+: |^seed \d+: \w+ (told|refused)/)
        if (process.env.SHOW) console.log(what, "-", error.message.split("\n")[0])
      })
    )
  }
})
