import { assert, describe, it } from "@effect/vitest"
import { type SourceError, TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { Deferred, Effect, Fiber, Redacted, TestClock } from "effect"
import { harmable } from "./support/Store.js"

// What began before a logout or a newer login changes nothing after it (P10).

describe("P10: log out and log in again while a refresh is under way", () => {
  it.scoped("who asks after the login gets its token, not the end of what began before the logout", () =>
    Effect.gen(function* () {
      const { provider } = yield* setting()
      yield* provider.put(tokens("first"))
      const before = yield* Effect.fork(Effect.flip(provider.refresh))
      yield* TestClock.adjust("1 second")
      yield* provider.forget
      yield* provider.put(tokens("second"))
      const after = yield* Effect.fork(provider.refresh)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(before))._tag, "ReauthorizationRequired")
      assert.strictEqual(nameOf(yield* Fiber.join(after)), "second.refreshed")
      assert.strictEqual(nameOf(yield* provider.get), "second.refreshed")
    })
  )

  it.scoped("also where the source can log in by itself", () =>
    Effect.gen(function* () {
      let logins = 0
      const login = Effect.sync(() => tokens(`login-${++logins}`))
      const { provider } = yield* setting(login)
      yield* provider.put(tokens("first"))
      yield* Effect.fork(Effect.flip(provider.refresh))
      yield* TestClock.adjust("1 second")
      yield* provider.forget
      assert.strictEqual(nameOf(yield* provider.get), "login-1")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(nameOf(yield* provider.get), "login-1")
    })
  )
})

it.scoped("P10: a put whose answer comes after a logout hands nothing out, as the row says", () =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<void>()
    const { harm, heal, provider, store } = yield* setting()
    harm((operation, _, does) => (operation === "put" ? Effect.zipLeft(does, Deferred.await(answer)) : does))
    const putting = yield* Effect.fork(provider.put(tokens("late")))
    yield* TestClock.adjust("1 second")
    yield* provider.forget
    heal()
    yield* Deferred.succeed(answer, undefined)
    yield* Fiber.join(putting)
    assert.strictEqual((yield* Effect.flip(provider.get))._tag, "ReauthorizationRequired")
    assert.isTrue((yield* store.load("k"))._tag === "None")
  })
)

describe("P10: a logout takes the newest tokens back", () => {
  it.scoped("those of a refresh that is saved between the look at the row and its removal", () =>
    Effect.gen(function* () {
      const looked = yield* Deferred.make<void>()
      const { harm, heal, provider, revoked } = yield* setting()
      yield* provider.put(tokens("first"))
      const refreshing = yield* Effect.fork(Effect.exit(provider.refresh))
      yield* TestClock.adjust("1 second")
      harm((operation, _, does) => (operation === "load" ? Effect.zipLeft(does, Deferred.await(looked)) : does))
      const leaving = yield* Effect.fork(provider.forget)
      yield* TestClock.adjust("8 seconds") // the refresh comes back, and is saved
      heal()
      yield* Deferred.succeed(looked, undefined)
      yield* Fiber.join(leaving)
      yield* Fiber.join(refreshing)
      assert.include(revoked, "first.refreshed")
    })
  )

  it.scoped("those that the store did not take yet", () =>
    Effect.gen(function* () {
      const { harm, provider, revoked } = yield* setting()
      yield* provider.put(tokens("first"))
      harm((operation, _, does) => (operation === "commit" ? Effect.fail("away") : does))
      const refreshing = yield* Effect.fork(provider.refresh)
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(refreshing)
      yield* provider.forget
      assert.deepStrictEqual(revoked, ["first.refreshed"])
    })
  )
})

/** A provider whose refreshes take five seconds, on a store that can be harmed. */
const setting = (login?: Effect.Effect<TokenSet, SourceError>) =>
  Effect.gen(function* () {
    const { harm, heal, store } = yield* harmable()
    const revoked: Array<string> = []
    const name = ({ refreshToken }: TokenSet) => (refreshToken === undefined ? "" : Redacted.value(refreshToken))
    const source = TokenSource.make({
      login,
      refresh: (current) => Effect.delay(Effect.succeed(tokens(`${name(current)}.refreshed`)), "5 seconds"),
      revoke: (current) => Effect.sync(() => void revoked.push(name(current)))
    })
    const options = { key: "k", source }
    const provider = yield* Effect.provideService(TokenProvider.make(options), TokenStore, store)
    return { harm, heal, provider, revoked, store }
  })

const tokens = (name: string) => TokenSet.make({ accessToken: name, refreshToken: name, expiresIn: "1 hour" })

const nameOf = ({ value }: { readonly value: Redacted.Redacted }) => Redacted.value(value)
