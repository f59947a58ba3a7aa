import { assert, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Authority, slowAnswer } from "@evertoken/authority"
import { TokenSet, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Layer } from "effect"
import { type ChildSettings, startChild } from "./Child.js"
import { mysql, onEach, postgres, type Setting, sqliteFile } from "./Database.js"

onEach(
  (name) => `several processes on ${name}`,
  (setting) => {
    it.live("five processes of 20 callers each, all at an expired token: one request (P1)", () =>
      Effect.gen(function* () {
        const { authority, child, store, key } = yield* begin(setting(), {})
        const children = yield* Effect.all(
          Array.from({ length: 5 }, () => child()),
          { concurrency: "unbounded" }
        )
        yield* Effect.forEach(children, (child) => child.order("get", { callers: 20 }))
        const said = yield* Effect.forEach(children, (child) => child.said)
        const { generation } = yield* Effect.flatten(store.load(key))
        assert.strictEqual((yield* authority.tokenRequests).length, 1)
        assert.deepStrictEqual(
          said.flatMap(({ generations }) => generations),
          Array.from({ length: 100 }, () => generation)
        )
        assert.strictEqual(new Set(said.flatMap(({ value }) => value)).size, 1)
      }).pipe(Effect.scoped)
    )

    it.live(
      "hundreds of rotations by all processes at once: the server never sees a spent refresh token (P1, P2)",
      () =>
        Effect.gen(function* () {
          const { authority, child } = yield* begin(setting(), {})
          const children = yield* Effect.all(
            Array.from({ length: 4 }, () => child()),
            { concurrency: "unbounded" }
          )
          yield* Effect.forEach(children, (child) => child.order("refresh", { turns: 200 }))
          const said = yield* Effect.forEach(children, (child) => child.said)
          assert.isTrue(
            said.every(({ generations }) => generations?.length === 1),
            JSON.stringify(said)
          )
          const requests = yield* authority.tokenRequests
          assert.isAtLeast(requests.length, 200)
          assert.deepStrictEqual(
            requests.filter(({ alarm, outcome }) => alarm || outcome !== "ok"),
            []
          )
          assert.strictEqual(new Set(requests.map(({ presented }) => presented)).size, requests.length)
        }).pipe(Effect.scoped),
      180_000
    )

    it.live("a holder killed before its request: another has a token as soon as the lease ran out (P4, P5)", () =>
      Effect.gen(function* () {
        const { authority, child } = yield* begin(setting(), {})
        const [victim, heir] = yield* Effect.all([child({ stop: "before" }), child()], { concurrency: 2 })
        yield* victim.order("get")
        assert.strictEqual((yield* victim.said).at, "before")
        yield* victim.signal("SIGKILL")
        yield* heir.order("get")
        assert.strictEqual((yield* heir.said).generations?.length, 1)
        const requests = yield* authority.tokenRequests
        assert.deepStrictEqual(
          requests.map(({ alarm, outcome }) => [outcome, alarm]),
          [["ok", false]]
        )
      }).pipe(Effect.scoped)
    )

    for (const when of ["during its request", "between the answer and the commit"] as const) {
      const during = when === "during its request"
      /** Kills a holder once the server has spent its refresh token; gives what its heir says. */
      const afterSpending = Effect.fnUntraced(function* (more: Partial<ChildSettings>, window?: number) {
        const { authority, child, store, key } = yield* begin(
          setting(),
          window === undefined ? {} : { replayWindow: window }
        )
        if (during) yield* authority.break(slowAnswer("1 minute"), 1)
        const [victim, heir] = yield* Effect.all(
          [child({ ...more, stop: during ? "nowhere" : "after" }), child(more)],
          { concurrency: 2 }
        )
        yield* victim.order("get")
        if (during)
          yield* Effect.repeat(Effect.zipLeft(authority.tokenRequests, breath), {
            until: (requests) => requests.length === 1
          })
        else assert.strictEqual((yield* victim.said).at, "after")
        yield* victim.signal("SIGKILL")
        yield* heir.order("get")
        const said = yield* heir.said
        return { said, record: yield* Effect.flatten(store.load(key)), requests: yield* authority.tokenRequests }
      })

      it.live(`a holder killed ${when}, where answers can be asked for again: nothing is lost (P4)`, () =>
        Effect.gen(function* () {
          const { requests, said } = yield* afterSpending({ replayWindow: 60_000 }, 60_000)
          assert.strictEqual(said.generations?.length, 1)
          assert.deepStrictEqual(
            requests.map(({ alarm, outcome }) => [outcome, alarm]),
            [
              ["ok", false],
              ["ok", false]
            ]
          )
        }).pipe(Effect.scoped)
      )

      it.live(`a holder killed ${when}, where they cannot: one replay, and a clear word to log in again (P3, P4)`, () =>
        Effect.gen(function* () {
          const { record, requests, said } = yield* afterSpending({ replay: "once" })
          assert.deepStrictEqual([said.error, said.reason], ["ReauthorizationRequired", "refused"])
          assert.isTrue(record.dead)
          assert.strictEqual(requests.length, 2)
        }).pipe(Effect.scoped)
      )

      it.live(
        `a holder killed ${when}, where they must not: no request more, and a clear word to log in again (P4)`,
        () =>
          Effect.gen(function* () {
            const { record, requests, said } = yield* afterSpending({ replay: "never" })
            assert.strictEqual(said.error, "RefreshInDoubt")
            assert.isFalse(record.dead)
            assert.strictEqual(requests.length, 1)
          }).pipe(Effect.scoped)
      )
    }

    it.live("a holder that slept past its lease can neither commit nor release once another has it (P2, P5)", () =>
      Effect.gen(function* () {
        const window = { replayWindow: 60_000 }
        const { authority, child, store, key } = yield* begin(setting(), window)
        const [sleeper, heir] = yield* Effect.all([child({ ...window, stop: "after" }), child(window)], {
          concurrency: 2
        })
        yield* sleeper.order("get")
        assert.strictEqual((yield* sleeper.said).at, "after")
        yield* sleeper.signal("SIGSTOP")
        yield* heir.order("get")
        const [generation] = (yield* heir.said).generations ?? []
        const before = yield* Effect.flatten(store.load(key))
        assert.strictEqual(before.generation, generation)
        yield* sleeper.order("go")
        yield* sleeper.signal("SIGCONT")
        // It serves what its heir saved, not what it fetched itself.
        assert.deepStrictEqual((yield* sleeper.said).generations, generation === undefined ? [] : [generation])
        const after = yield* Effect.flatten(store.load(key))
        assertEquals(after.tokens?.refreshToken, before.tokens?.refreshToken)
        assert.strictEqual(after.generation, generation)
        assert.deepStrictEqual(
          (yield* authority.tokenRequests).filter(({ alarm }) => alarm),
          []
        )
      }).pipe(Effect.scoped)
    )

    it.live("a holder that slept past its lease still saves what it fetched where nobody took it over (P4, P5)", () =>
      Effect.gen(function* () {
        const { authority, child, store, key } = yield* begin(setting(), {})
        const sleeper = yield* child({ stop: "after", lease: 1_000 })
        yield* sleeper.order("get")
        assert.strictEqual((yield* sleeper.said).at, "after")
        yield* sleeper.signal("SIGSTOP")
        const ranOut = (until: number | undefined) => until !== undefined && until < Date.now() - 50
        yield* Effect.repeat(Effect.zipLeft(Effect.flatten(store.load(key)), breath), {
          until: ({ leaseUntil }) => ranOut(leaseUntil)
        })
        yield* sleeper.order("go")
        yield* sleeper.signal("SIGCONT")
        const [generation] = (yield* sleeper.said).generations ?? []
        assert.strictEqual((yield* Effect.flatten(store.load(key))).generation, generation)
        assert.strictEqual((yield* authority.tokenRequests).length, 1)
      }).pipe(Effect.scoped)
    )
  },
  [sqliteFile, postgres, mysql]
)

/** Lets the server in this process and the pipes of the others have their turn. */
const breath = Effect.promise(() => new Promise((done) => setImmediate(done)))

let keys = 0

/** A server with reuse detection, an expired token of a new grant in the store, and a way to start processes on both. */
const begin = Effect.fnUntraced(function* (
  { connect, table, url }: Setting,
  options: { readonly replayWindow?: number }
) {
  const authority = yield* Authority.make({ lifetime: "1 hour", ...options })
  const minted = yield* authority.mint()
  const store = yield* Layer.build(
    Layer.provide(SqlTokenStore.layer({ encryption: "off", table: table() }), connect())
  ).pipe(Effect.flatMap((context) => Effect.provide(TokenStore, context)))
  const key = `processes ${keys++}`
  yield* store.put(key, TokenSet.make({ ...minted, expiresIn: undefined, expiresAt: 0 }), undefined)
  const settings = { url, table: table(), key, tokenEndpoint: authority.tokenEndpoint }
  return { authority, store, key, child: (more: Partial<ChildSettings> = {}) => startChild({ ...settings, ...more }) }
})
