import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { count } from "../far-sides/FarSide.js"
import { type Shop, startShop } from "../far-sides/shop.js"
import { App, makeShopStore } from "../stories/3-many-streams.js"
import { ManyStreams } from "./old/ManyStreams.js"
import { tellStory } from "./tellStory.js"

describe("many streams, one refresh, one logout", () => {
  it.live(
    "the story runs, and the far side's log says what it should",
    () =>
      Effect.gen(function* () {
        const { code, text } = yield* tellStory(3)
        assert.strictEqual(code, 0, text)
        assert.match(text, /refreshes for 20 streams +1 +1 {2}✓/)
        assert.notInclude(text, "✗")
      }),
    300_000
  )

  it.scopedLive("20 streams at once cost one refresh, in both programs", () =>
    Effect.gen(function* () {
      const { far, load, store } = yield* loggedIn
      far.endTokens()
      load(20)
      yield* store.until(({ LOADED }) => LOADED === 20)
      assert.deepStrictEqual([refreshes(far), count(far.log, "GET /items")], [1, 40])

      const old = new ManyStreams(far.url, "ended", "session-of-alice")
      yield* Effect.promise(() => Promise.all(items(20).map((item) => old.load(item))))
      assert.strictEqual(old.dispatched.filter((type) => type === "LOADED").length, 20)
    })
  )

  it.scopedLive("a stream that finds out late costs no refresh; the old program refreshed again", () =>
    Effect.gen(function* () {
      const { far, store } = yield* loggedIn
      // It is on its way with the first token while all others are through with the second.
      store.dispatch({ type: "LOAD", item: "slow" })
      yield* far.arrived
      far.endTokens()
      store.dispatch({ type: "LOAD", item: "1" })
      yield* store.until(({ LOADED }) => LOADED === 1)
      far.release()
      yield* far.arrived
      far.release()
      yield* store.until(({ LOADED }) => LOADED === 2)
      assert.strictEqual(refreshes(far), 1)

      const old = new ManyStreams(far.url, "ended", "session-of-alice")
      const late = old.load("slow")
      yield* far.arrived
      yield* Effect.promise(() => old.load("1"))
      far.release()
      yield* far.arrived
      far.release()
      yield* Effect.promise(() => late)
      assert.strictEqual(refreshes(far) - 1, 2)
    })
  )

  it.scopedLive("a refresh that fails for a moment logs nobody out; the old program did", () =>
    Effect.gen(function* () {
      const { far, load, store } = yield* loggedIn
      far.endTokens()
      far.refuseRefresh(503, 1)
      load(3)
      yield* store.until(({ LOADED }) => LOADED === 3)
      assert.strictEqual(store.getState().user, "alice")

      far.refuseRefresh(503, 1)
      const old = new ManyStreams(far.url, "ended", "session-of-alice")
      yield* Effect.promise(() => old.load("1"))
      assert.deepStrictEqual(old.dispatched, ["LOGGED_OUT"])
    })
  )

  it.scopedLive("a refresh that answers 401 is sent once: a message and one logout; the old program had to count", () =>
    Effect.gen(function* () {
      const { far, load, store } = yield* loggedIn
      far.endTokens()
      far.refuseRefresh(401, 99)
      store.dispatch({ type: "LOAD", item: "slow" })
      yield* far.arrived
      load(5)
      yield* store.until(({ message }) => message === "Please log in again.")
      assert.strictEqual(store.getState().user, "")
      load(5)
      yield* store.until(({ FAILED }) => FAILED === 5)
      assert.strictEqual(refreshes(far), 1)
      assert.lengthOf(
        store.actions.filter(({ type }) => type === "LOGGED_OUT"),
        1
      )
      // The logout stopped the stream that was under way.
      assert.isFalse(
        store.actions.some((action) => action.type !== "LOAD" && "item" in action && action.item === "slow")
      )

      // A new login is a new session.
      far.refuseRefresh(401, 0)
      store.dispatch({ type: "LOGIN", user: "alice", password: "…" })
      yield* store.until(({ user }) => user === "alice")
      load(1)
      yield* store.until(({ LOADED }) => LOADED === 1)

      far.refuseRefresh(401, 99)
      const old = new ManyStreams(far.url, "ended", "session-of-alice")
      yield* Effect.promise(() => old.load("1"))
      assert.strictEqual(refreshes(far) - 1, 3)
    })
  )
})

/** A store of a person who has logged in. */
const loggedIn = Effect.gen(function* () {
  const far = yield* startShop
  yield* Effect.withConfigProviderScoped(ConfigProvider.fromMap(new Map([["SHOP_URL", far.url]])))
  const store = yield* Effect.provide(makeShopStore, yield* Layer.build(App))
  store.dispatch({ type: "LOGIN", user: "alice", password: "…" })
  yield* store.until(({ user }) => user === "alice")
  const load = (count: number) => {
    for (const item of items(count)) store.dispatch({ type: "LOAD", item })
  }
  return { far, store, load }
})

const items = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`)
const refreshes = ({ log }: Shop) => count(log, "POST /refresh")
