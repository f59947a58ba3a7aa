// Longer than 200 lines: a list of cases.

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { TokenSet } from "../model/TokenSet.js"
import { TokenStore } from "../store/TokenStore.js"
import type { RowState } from "../store/TokenStoreBackend.js"
import { asks, failed, holds, kept, LONG, leased, load, MINUTE, newKey, type StoreCase, same } from "./StoreCase.js"

/** What `load`, `put` and `remove` promise, and that keys never mix. */
export const rows: ReadonlyArray<StoreCase> = [
  {
    title: "knows nothing of a key that was never kept, and tells its clock in whole milliseconds",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { now, row } = yield* backend.load(yield* newKey("unknown"))
      yield* same("the row", row, undefined)
      yield* holds("the clock is whole epoch milliseconds", Number.isSafeInteger(now))
    })
  },
  {
    title: "keeps what was put as it was put",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("put")
      const { now } = yield* backend.load(key)
      const put = { expected: undefined, generation: now + 1, payload: "Zoë's payload 🔑", dueIn: LONG }
      yield* same("put", yield* backend.put(key, put), true)
      const row = yield* load(other, key)
      const { dueAt = 0, refreshedAt = 0, scheduledAt, ...rest } = row
      yield* same("the row", { ...rest }, { ...NOTHING, generation: now + 1, payload: put.payload })
      yield* holds("it was refreshed now", refreshedAt >= now)
      yield* same("its due time was set now", scheduledAt, refreshedAt)
      yield* same("it is due when it was said to be", dueAt - refreshedAt, LONG)
    })
  },
  {
    title: "lists each row once, page by page in one order, with its key as it was put; a store may do without",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { page } = other
      if (page === undefined) return
      const made = yield* Effect.forEach(["page", "page/ü?%2F&=", "page 🔑", "Page"], (name) => kept(backend, name))
      const keys = made.map(({ key }) => key)
      const found: Array<string> = []
      for (let after: string | undefined, more = true; more; ) {
        const { rows } = yield* page({ after, limit: 2 })
        for (const { key, row } of rows) {
          if (keys.includes(key)) yield* same("a listed row", row, yield* load(backend, key))
          found.push(key)
        }
        more = rows.length === 2
        after = found.at(-1)
      }
      yield* same("the number of rows", found.length, new Set(found).size)
      yield* same("the keys", found.filter((key) => keys.includes(key)).length, keys.length)
    })
  },
  {
    title: "lists only keys that begin with what is asked for, and only rows in that state; a store may do without",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { page } = other
      if (page === undefined) return
      const name = yield* newKey("begin")
      const listed = Effect.fnUntraced(function* (prefix: string, state?: RowState) {
        const found: Array<string> = []
        for (let after: string | undefined, more = true; more; after = found.at(-1)) {
          const { rows } = yield* page({ after, limit: 2, prefix, state })
          found.push(...rows.map(({ key }) => key))
          more = rows.length === 2
        }
        return found.sort()
      })
      const ends = ["/a", "/ab", "/a%", "/a_", "/a~", "/a🔑", "/b", "/A", "/é", "/éa", "/🔑", "/🔑a", "/\u{10ffff}a"]
      const keys = ends.map((end) => name + end).sort()
      for (const key of keys) {
        const { floor = 0, now } = yield* backend.load(key)
        const generation = Math.max(now, floor) + 1
        yield* backend.put(key, { expected: undefined, generation, payload: "{}", dueIn: undefined })
      }
      for (const end of ["", "/", "/a", "/a%", "/a_", "/a~", "/A", "/é", "/🔑", "/\u{10ffff}", "/none"]) {
        const expected = keys.filter((key) => key.startsWith(name + end))
        yield* same(`the keys that begin with ${end}`, yield* listed(name + end), expected)
      }

      const row = yield* newKey("state")
      const sound = yield* leased(backend, row, "a")
      yield* same("sound", yield* listed(row, "sound"), [sound.key])
      yield* same("failing with an intent", yield* listed(row, "failing"), [sound.key])
      yield* backend.fail(sound.key, failed("a", sound.generation))
      yield* same("failing after a failure", yield* listed(row, "failing"), [sound.key])
      yield* same("sound after a failure", yield* listed(row, "sound"), [])
      const dead = yield* leased(backend, row, "a")
      yield* backend.fail(dead.key, failed("a", dead.generation, { dead: true }))
      const empty = `${row} empty`
      yield* backend.lease(empty, asks("a"))
      yield* same("dead", yield* listed(row, "dead"), [dead.key, empty].sort())
      yield* same("failing beside dead ones", yield* listed(row, "failing"), [sound.key])
      yield* same("all", (yield* listed(row)).length, 3)
    })
  },
  {
    title: "puts only where nothing changed since it was read (P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* kept(backend, "put")
      const before = yield* load(backend, key)
      for (const expected of [undefined, generation - 1, generation + 1]) {
        const put = { expected, generation: generation + 2, payload: "late", dueIn: undefined }
        yield* same(`put over ${expected}`, yield* other.put(key, put), false)
      }
      yield* same("the row", yield* load(backend, key), before)
      const put = { expected: generation, generation: generation + 1, payload: "newer", dueIn: undefined }
      yield* same("put over the generation it has", yield* other.put(key, put), true)
      const gone = yield* newKey("gone")
      yield* same("put over a row that is not there", yield* backend.put(gone, put), false)
      yield* same("the row that is not there", (yield* backend.load(gone)).row, undefined)
    })
  },
  {
    title: "put ends lease, doubt, death and back-off, whoever has the lease (P10)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { generation, key } = yield* leased(backend, "put", "a")
      yield* backend.fail(key, failed("a", generation, { inDoubt: true, dead: true, retryIn: LONG }))
      const put = { expected: generation, generation: generation + 1, payload: "new", dueIn: undefined }
      yield* same("put", yield* backend.put(key, put), true)
      const { refreshedAt: _, scheduledAt: __, ...row } = yield* load(backend, key)
      yield* same("the row", row, { ...NOTHING, generation: generation + 1, payload: "new" })
      const again = yield* leased(backend, "put", "a")
      const over = { expected: again.generation, generation: again.generation + 1, payload: "new", dueIn: undefined }
      yield* same("put over a lease", yield* backend.put(again.key, over), true)
      const commit = { owner: "a", generation: again.generation, tokens: "late", dueIn: undefined }
      yield* same("the late commit", yield* backend.commit(again.key, commit), false)
      yield* same("the payload", (yield* load(backend, again.key)).payload, "new")
    })
  },
  {
    title: "what was removed stays removed: no late result brings it back (P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { generation, key } = yield* leased(backend, "removed", "a")
      yield* same("remove", yield* other.remove(key), true)
      yield* same("remove again", yield* other.remove(key), false)
      const commit = { owner: "a", generation, tokens: "late", dueIn: undefined }
      yield* same("the late commit", yield* backend.commit(key, commit), false)
      yield* same("the late failure", yield* backend.fail(key, failed("a", generation)), false)
      yield* same("the late renewal", yield* backend.renew(key, "a", LONG), false)
      const late = yield* backend.lease(key, asks("a", { known: generation }))
      yield* same("the row that a late lease finds", late.row, undefined)
      yield* same("the row", (yield* backend.load(key)).row, undefined)
    })
  },
  {
    title: "a key that comes back goes on above every generation it had (P2, P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("back")
      let highest = 0
      for (let round = 0; round < 5; round++) {
        const first = yield* backend.lease(key, asks(`a${round}`))
        const start = first.row?.generation ?? 0
        yield* holds(`generation ${start} is above ${highest}`, start > highest)
        for (let next = start; next < start + 20; next++) {
          const owner = `a${round}`
          if (next > start) yield* backend.lease(key, asks(owner, { known: next }))
          yield* same(
            "commit",
            yield* backend.commit(key, { owner, generation: next, tokens: "{}", dueIn: undefined }),
            true
          )
        }
        highest = start + 20
        yield* same("remove", yield* other.remove(key), true)
      }
      const { floor = 0, now } = yield* other.load(key)
      yield* holds("what is put next is above it too", Math.max(floor, now) >= highest)
    })
  },
  {
    title: "keeps keys apart that differ only in case, trailing space, normalisation or beyond 500 characters (P10)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const name = yield* newKey("Straße")
      const long = name.padEnd(600, "é")
      const apart = [
        "",
        " ",
        "  ",
        "A",
        "a",
        "Å",
        "A\u030a",
        "ß",
        "ss",
        "ı",
        "i",
        "%",
        "_",
        "'",
        "\\",
        '"',
        "\n",
        "🔑",
        "🔒",
        "/x",
        "/X"
      ]
      const keys = [
        ...apart.map((end) => name + end),
        `${long}x`,
        `${long}X`,
        long.padEnd(1_000, "e"),
        name.padEnd(2_040, "z")
      ]
      for (const key of keys) {
        const { floor = 0, now } = yield* backend.load(key)
        yield* backend.put(key, {
          expected: undefined,
          generation: Math.max(now, floor) + 1,
          payload: key,
          dueIn: undefined
        })
      }
      for (const key of keys) yield* same("the payload", (yield* load(other, key)).payload, key)
      yield* other.remove(`${name}a`)
      yield* same("the key in another case", (yield* load(backend, `${name}A`)).payload, `${name}A`)
    })
  },
  {
    title: "refuses with a typed error a key that no store could keep",
    test: Effect.fnUntraced(function* ({ backend }) {
      const store = TokenStore.make(backend)
      for (const key of ["", "a\0b", "lone \ud800", "z".repeat(2_049), "é".repeat(1_025)]) {
        const error = yield* Effect.flip(store.load(key))
        yield* same("the reason", error.reason, "key")
      }
    })
  },
  {
    title: "keeps tokens of 16 KiB, and every field of them (P12)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const key = yield* newKey("large")
      const big = (letter: string) => Redacted.make(letter.repeat(16_384))
      const now = yield* Clock.currentTimeMillis
      const tokens = TokenSet.make({
        accessToken: big("a"),
        tokenType: "DPoP",
        expiresAt: now + 3 * LONG,
        obtainedAt: now,
        refreshToken: big("r"),
        refreshTokenExpiresAt: now + 4 * LONG,
        refreshTokenEndSetAt: now,
        scopes: ["read", "wríte"],
        extra: { instance: "https://example.com/🔑", nested: { list: [1, null, "\u2028"] } },
        proofKey: big("k")
      })
      const generation = yield* TokenStore.make(backend).put(key, tokens, LONG)
      const record = yield* Effect.flatten(TokenStore.make(other).load(key))
      yield* same("the generation", record.generation, generation)
      const back = Option.fromNullable(record.tokens)
      // The clock of the store may differ by a moment between the two; everything else is the same to the letter.
      const instants = { expiresAt: 1, obtainedAt: 1, refreshTokenExpiresAt: 1, refreshTokenEndSetAt: 1 }
      const plain = (of: TokenSet) => TokenSet.encode(new TokenSet({ ...of, ...instants }))
      yield* holds(
        "the tokens are the same",
        Option.exists(back, (back) => plain(back) === plain(tokens))
      )
      const near = Option.exists(back, (back) =>
        (["expiresAt", "obtainedAt", "refreshTokenExpiresAt", "refreshTokenEndSetAt"] as const).every(
          (name) => Math.abs((back[name] ?? 0) - (tokens[name] ?? 0)) < MINUTE
        )
      )
      yield* holds("each instant is the same", near)
    })
  }
]

/** A row of which nothing is known beside what was put. */
const NOTHING = {
  leaseOwner: undefined,
  claims: 0,
  failures: 0,
  dead: false
}
