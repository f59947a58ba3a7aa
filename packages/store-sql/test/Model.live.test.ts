import { assert, it } from "@effect/vitest"
import type { StoredRow, TokenStoreBackend } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect } from "effect"
import fc from "fast-check"
import { onEach } from "./Database.js"

const HOUR = 3_600_000

/** One operation. Waits are none, over at once, or longer than the test, so that no clock decides what comes of it. */
const wait = fc.constantFrom(-HOUR, 0, HOUR)
const owner = fc.constantFrom("a", "b")
/** How far from the generation that is kept. */
const off = fc.constantFrom(0, 0, 0, 0, -1, 1)
const step = fc.oneof(
  fc.record({ op: fc.constant("put" as const), off, dueIn: fc.option(wait, { nil: undefined }) }),
  fc.record({
    op: fc.constant("lease" as const),
    off: fc.option(off, { nil: undefined }),
    owner,
    lasts: wait,
    presents: fc.boolean(),
    force: fc.boolean()
  }),
  fc.record({ op: fc.constant("renew" as const), owner, lasts: wait }),
  fc.record({ op: fc.constant("commit" as const), off, owner, dueIn: fc.option(wait, { nil: undefined }) }),
  fc.record({
    op: fc.constant("fail" as const),
    off,
    owner,
    inDoubt: fc.boolean(),
    dead: fc.boolean(),
    retryIn: fc.constantFrom(0, 0, HOUR)
  }),
  fc.record({ op: fc.constant("remove" as const) }),
  fc.record({ op: fc.constant("due" as const), lasts: fc.constantFrom(0, HOUR) })
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

onEach(
  (name) => `SqlTokenStore on ${name}`,
  (setting) => {
    it.live("does in any order of operations what the store in memory does (P2, P10)", () =>
      Effect.gen(function* () {
        const { table: named } = setting()
        const table = named("model")
        yield* SqlTokenStore.migrate({ table })
        const real = yield* SqlTokenStore.backend({ table })
        const run = Effect.runPromise
        let at = 0
        const agree = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
          const model = await run(MemoryTokenStore.backend())
          await run(real.due({ limit: 1_000, lasts: HOUR }))
          const key = `key ${at++}`
          const [one, two] = [walk(model, key), walk(real, key)]
          for (const [nth, step] of steps.entries()) {
            const [wanted, is] = [await run(one(step)), await run(two(step))]
            assert.deepStrictEqual(is, wanted, `step ${nth}: ${JSON.stringify(step)}`)
          }
        })
        yield* Effect.promise(() => fc.assert(agree, { numRuns: 60 }))
      }).pipe(Effect.scoped, Effect.provide(setting().connect()))
    )
  }
)

/** Carries out steps on one key; gives what came of each, with generations counted from the first and times as relations. */
const walk = (backend: TokenStoreBackend, key: string) => {
  let base: number | undefined
  return Effect.fnUntraced(function* (step: Step) {
    const before = yield* backend.load(key)
    // Above the generation of any key that was removed, as whoever puts has to go.
    const generation = before.row?.generation ?? Math.max(before.now, before.floor ?? 0)
    const result = yield* carryOut(backend, key, step, before.row, generation)
    const { now, row } = yield* backend.load(key)
    if (row === undefined) base = undefined
    else base ??= row.generation
    return { result, row: row && relative(row, base ?? 0, now) }
  })
}

const carryOut = (backend: TokenStoreBackend, key: string, step: Step, row: StoredRow | undefined, at: number) => {
  switch (step.op) {
    case "put": {
      const expected = row === undefined ? (step.off === 0 ? undefined : at) : at + step.off
      return backend.put(key, { expected, generation: at + 1, payload: `put`, dueIn: step.dueIn })
    }
    case "lease": {
      const known = step.off === undefined || row?.payload === undefined ? undefined : at + step.off
      return Effect.as(backend.lease(key, { ...step, known }), "leased")
    }
    case "renew":
      return backend.renew(key, step.owner, step.lasts)
    case "commit":
      return backend.commit(key, { owner: step.owner, generation: at + step.off, tokens: "new", dueIn: step.dueIn })
    case "fail":
      return backend.fail(key, { ...step, generation: at + step.off, failure: "{}" })
    case "remove":
      return backend.remove(key)
    default:
      return Effect.map(backend.due({ limit: 10, lasts: step.lasts }), (claimed) =>
        claimed.some((one) => one.key === key)
      )
  }
}

const relative = (row: StoredRow, base: number, now: number) => {
  const of = (time: number | undefined) => (time === undefined ? "never" : time <= now ? "past" : "ahead")
  return {
    generation: row.generation - base,
    payload: row.payload,
    leaseOwner: row.leaseOwner,
    intentOwner: row.intentOwner,
    failures: row.failures,
    failure: row.failure,
    dead: row.dead,
    times: [row.leaseUntil, row.intentAt, row.dueAt, row.retryAt, row.refreshedAt, row.failedAt].map(of)
  }
}
