import { assert, describe, it } from "@effect/vitest"
import { TokenSet, TokenStore } from "@evertoken/core"
import type { Listed } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Option, Redacted } from "effect"
import type { Caller } from "../src/config/ApiKeys.js"
import { makeCursors } from "../src/http/Cursor.js"
import { type ListQuery, makeListing, prefixesOf } from "../src/http/Listing.js"

describe("the list of connections", () => {
  it.effect("shows a caller each key that it may watch once, and its cursors tell nothing of the others", () =>
    Effect.gen(function* () {
      const { all, read } = yield* prepare(["b/*", "*/mine", "d"])
      const found = yield* all({ limit: 3 })
      assert.deepStrictEqual(found.keys, ["a/mine", "b/1", "b/2", "b/mine", "c/mine", "d"])
      for (const cursor of found.cursors) {
        assert.notMatch(Buffer.from(cursor, "base64url").toString("latin1"), /secret|mine|prefix|after/)
        assert.strictEqual(cursor.length, found.cursors[0]?.length)
      }
      const again = yield* all({ limit: 3 })
      assert.isTrue(again.cursors.every((cursor) => !found.cursors.includes(cursor)))
      const stolen = yield* Effect.flip(read({ after: found.cursors[0] }, "other"))
      assert.strictEqual(stolen._tag, "BadRequest")
      for (const after of ["", "a/secret", "AAAA", `${found.cursors[0]}AAAA`]) {
        const error = yield* Effect.flip(read({ after }))
        assert.strictEqual(error._tag, "BadRequest")
      }
    })
  )

  it.effect("asks the database for the ranges of the caller's patterns only", () =>
    Effect.gen(function* () {
      const { all, asked } = yield* prepare(["b/*", "b/1", "d"])
      assert.deepStrictEqual((yield* all({})).keys, ["b/1", "b/2", "b/mine", "d"])
      assert.deepStrictEqual(
        asked.rows.filter((key) => !/^b\/|^d/.test(key)),
        []
      )
      assert.deepStrictEqual(prefixesOf(["b/*", "b/1*", "*"]), [""])
    })
  )

  it.effect(
    "reads a bounded number of rows a request, whatever of them the caller may watch, and goes on by the cursor",
    () =>
      Effect.gen(function* () {
        const many = Array.from({ length: 5_000 }, (_, at) => `other/${String(at).padStart(5, "0")}`)
        const { all, asked, read } = yield* prepare(["*/mine"], many)
        assert.isAtMost((yield* read({ limit: 1 })).connections.length, 1)
        assert.isAtMost(asked.rows.length, 1_000)
        asked.rows.length = 0
        assert.deepStrictEqual((yield* all({ limit: 1_000 })).keys, ["a/mine", "b/mine", "c/mine"])
        assert.isAtMost(asked.most, 100)
      })
  )

  it.effect("filters by health at the database", () =>
    Effect.gen(function* () {
      const { all, asked, store } = yield* prepare(["*"])
      yield* store.lease("b/new", { owner: "o", known: undefined, lasts: 1, presents: false, force: false })
      assert.deepStrictEqual((yield* all({ health: "login" })).keys, ["b/new"])
      assert.deepStrictEqual(asked.rows, ["b/new"])
      assert.strictEqual((yield* all({ health: "ok" })).keys.includes("b/new"), false)
      assert.deepStrictEqual((yield* all({ health: "failing" })).keys, [])
    })
  )
})

/** The list as a caller with these patterns sees it, and what of the store it read. */
const prepare = (patterns: readonly [string, ...Array<string>], more: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const kept = yield* MemoryTokenStore.make
    const tokens = TokenSet.make({ accessToken: "a", expiresIn: "1 hour" })
    const keys = [
      "a/mine",
      "a/secret",
      "b/1",
      "b/2",
      "b/mine",
      "c/mine",
      "c/secret",
      "d",
      "d/secret",
      "z/secret",
      ...more
    ]
    for (const key of keys) yield* kept.put(key, tokens.obtained(0), undefined)
    const asked = { rows: [] as string[], most: 0 }
    const note = (rows: ReadonlyArray<Listed>) => {
      asked.rows.push(...rows.map(({ key }) => key))
      asked.most = Math.max(asked.most, rows.length)
    }
    const store = TokenStore.of({
      ...kept,
      page: (request) => Effect.tap(kept.page(request), (rows) => Effect.sync(() => note(rows)))
    })
    const list = makeListing(store, makeCursors(Option.some(Redacted.make("k1=secret"))))
    const caller = (name: string): Caller => ({ name, hash: "0".repeat(64), keys: patterns, verbs: ["watch"] })
    const read = (query: ListQuery, name = "me") => list(caller(name), query)
    const all = Effect.fnUntraced(function* (query: ListQuery) {
      const found = { keys: [] as string[], cursors: [] as string[] }
      for (let after: string | undefined, more = true; more; more = after !== undefined) {
        const page = yield* read({ ...query, after })
        found.keys.push(...page.connections.map(({ key }) => key))
        after = page.next
        if (after !== undefined) found.cursors.push(after)
      }
      return found
    })
    return { all, asked, read, store }
  })
