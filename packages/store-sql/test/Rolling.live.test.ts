import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect } from "effect"
import { mysql, onEach, postgres, sqliteFile } from "./Database.js"

// What docs/operations.md says of an upgrade: a program of the version before, which knows the columns of the first
// migration only, and leaves the others as it finds them.

const LASTS = 2_000

onEach(
  (name) => `beside a version that knows fewer columns, on ${name}`,
  (setting) => {
    const both = Effect.gen(function* () {
      const table = setting().table("rolling")
      const sql = yield* SqlClient.SqlClient
      yield* SqlTokenStore.migrate({ table })
      const backend = yield* SqlTokenStore.backend({ table })
      yield* sql`DELETE FROM ${sql(table)}`
      const { now } = yield* backend.load("k")
      yield* backend.put("k", { expected: undefined, generation: now, payload: "{}", dueIn: 3_600_000 })
      const older = {
        lease: (from: number) =>
          sql`UPDATE ${sql(table)} SET lease_owner = ${"older"}, lease_until = ${from + LASTS}, intent_owner = ${"older"}, intent_at = ${from}`,
        commit: (from: number, generation: number, due: number) =>
          sql`UPDATE ${sql(table)} SET generation = ${generation}, payload = ${'{"newer":1}'}, lease_owner = NULL,
            lease_until = NULL, intent_owner = NULL, intent_at = NULL, failures = 0, refreshed_at = ${from}, due_at = ${due}`
      }
      const lease = backend.lease("k", { owner: "newer", known: now, lasts: LASTS, presents: true, force: true })
      return { backend, generation: now, lease, older }
    })
    const clock = (backend: { readonly load: (key: string) => Effect.Effect<{ readonly now: number }, unknown> }) =>
      Effect.map(backend.load("none"), ({ now }) => now)

    it.live("its lease is waited for, also where ours was there before, and given to us once it ran out (P1, P5)", () =>
      Effect.gen(function* () {
        const { backend, generation, lease, older } = yield* both
        for (const before of ["none", "ours"]) {
          if (before === "ours") {
            assert.isTrue(yield* backend.renew("k", "newer", 1))
            yield* Effect.sleep("20 millis")
          }
          yield* older.lease(yield* clock(backend))
          assert.strictEqual((yield* lease).row?.leaseOwner, "older", before)
          assert.deepStrictEqual(yield* backend.due({ limit: 10, lasts: 1_000 }), [])
          const committed = { owner: "newer", generation, tokens: "{}", dueIn: undefined }
          assert.isFalse(yield* backend.commit("k", committed), before)
          let taken = yield* lease
          while (taken.row?.leaseOwner !== "newer") {
            yield* Effect.sleep("50 millis")
            taken = yield* lease
          }
          assert.isAtLeast(taken.now, (taken.row.leasedAt ?? 0) - 1)
          assert.strictEqual(taken.row.intentOwner, "older") // what it sent is in doubt
        }
      }).pipe(Effect.scoped, Effect.provide(setting().connect()))
    )

    it.live("what it saved is seen, is not written over, and is claimed when it is due (P2, P9)", () =>
      Effect.gen(function* () {
        const { backend, generation, lease, older } = yield* both
        yield* lease
        const now = yield* clock(backend)
        yield* older.commit(now, generation + 1, now - 1)
        const { row } = yield* backend.load("k")
        assert.deepStrictEqual([row?.generation, row?.payload], [generation + 1, '{"newer":1}'])
        const committed = { owner: "newer", generation, tokens: "{}", dueIn: undefined }
        assert.isFalse(yield* backend.commit("k", committed))
        assert.strictEqual((yield* lease).row?.leaseOwner, undefined)
        const claimed = yield* backend.due({ limit: 10, lasts: 1_000 })
        assert.deepStrictEqual(claimed, [{ key: "k", generation: generation + 1 }])
      }).pipe(Effect.scoped, Effect.provide(setting().connect()))
    )
  },
  [sqliteFile, postgres, mysql]
)
