import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  OAuth2,
  RefreshPolicy,
  TokenEndpointError,
  TokenProvider,
  TokenSet,
  TokenSource,
  type TokenSourceOptions,
  TokenStore
} from "@evertoken/core"
import { FakeTokenSource, type FakeTokenSourceOptions } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Deferred, Duration, Effect, Fiber, Redacted, Schedule, TestClock } from "effect"
import { harmable } from "./support/Store.js"

const holds = (title: string, test: Effect.Effect<void, unknown, never>) => it.effect(title, () => test)

const policy = RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("59 minutes") })

/** Two processes on one store whose tokens last for an hour, and are renewed as early as can be. */
const two = Effect.fnUntraced(function* (options: FakeTokenSourceOptions) {
  const server = FakeTokenSource.make({ expiresIn: "1 hour", refreshTokens: "none", ...options })
  const make = TokenProvider.make({ key: "k", source: server.source, policy })
  return { server, make, a: yield* make, b: yield* make }
})

const value = (token: Effect.Effect.Success<TokenProvider["Type"]["get"]>) => Redacted.value(token.value)

describe("earliestRefresh", () => {
  for (const refreshTokens of ["none", "rotate"] as const) {
    const what = refreshTokens === "none" ? "a login" : "a refresh"

    holds(
      `${what}: a token that is refused while it is younger is not replaced, whichever process is asked`,
      Effect.gen(function* () {
        const { a, b, make, server } = yield* two({ refreshTokens, earliestRefresh: "10 minutes" })
        const first = yield* a.get
        yield* b.get
        for (const one of [a, b, yield* make]) {
          yield* one.get
          yield* one.reject(first)
          const error = yield* Effect.flip(one.get)
          assert.instanceOf(error, TokenEndpointError)
          assert.deepStrictEqual([error.reason, error.retryAfter], ["throttled", 600_000])
          assert.instanceOf(yield* Effect.flip(one.refresh), TokenEndpointError)
        }
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual(server.posts(), 1)
        const waiting = yield* Effect.fork(b.get)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(value(yield* Fiber.join(waiting)), "access-2")
        assert.strictEqual(server.posts(), 2)
      }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
    )

    holds(
      `${what}: none is renewed ahead of time before it has this age`,
      Effect.gen(function* () {
        const { a, server } = yield* two({ refreshTokens, earliestRefresh: "50 minutes" })
        yield* a.get
        yield* TestClock.adjust("49 minutes")
        assert.strictEqual(value(yield* a.get), "access-1")
        assert.strictEqual(server.posts(), 1)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(value(yield* a.get), "access-2")
      }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
    )
  }
})

type DurationText = `${number} ${"seconds" | "hour" | "hours" | "days"}`
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** A provider over a server whose refresh tokens end, logged in just now; when it was asked for newer ones, in milliseconds. */
const ending = Effect.fnUntraced(function* (
  lives: {
    readonly access?: DurationText
    readonly refresh: DurationText
    readonly slides?: boolean
  },
  options: Omit<TokenSourceOptions, "login" | "refresh"> & { readonly policy?: RefreshPolicy } = {}
) {
  const { policy, ...traits } = options
  const { access, refresh, slides = true } = lives
  const asked: Array<number> = []
  const tokens = (now: number) =>
    TokenSet.make({
      accessToken: `access-${asked.length}`,
      refreshToken: `refresh-${asked.length}`,
      expiresIn: access,
      refreshTokenExpiresAt: (slides ? now : 0) + Duration.toMillis(refresh)
    })
  const source = TokenSource.make({
    ...traits,
    refresh: () =>
      Effect.clockWith((clock) =>
        Effect.sync(() => {
          const now = clock.unsafeCurrentTimeMillis()
          asked.push(now)
          return tokens(now)
        })
      )
  })
  const provider = yield* TokenProvider.make({ key: "k", source, policy })
  yield* provider.put(tokens(0))
  const store = yield* TokenStore
  const dueAt = Effect.map(Effect.flatten(store.load("k")), (row) => row.dueAt)
  return { asked, provider, dueAt }
})

describe("a refresh token that ends before the access token", () => {
  holds(
    "is renewed before it ends, without a worker and without anybody who asks, and a worker finds it due then",
    Effect.gen(function* () {
      const { asked, dueAt } = yield* ending({ access: "10 hours", refresh: "2 hours" })
      assert.strictEqual(yield* dueAt, HOUR)
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(asked, [])
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(asked, [HOUR, 2 * HOUR, 3 * HOUR])
      assert.strictEqual(yield* dueAt, 4 * HOUR)
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "is renewed a day before it ends, where it lives for long, also where nobody says when the access token ends",
    Effect.gen(function* () {
      const { asked, dueAt } = yield* ending({ refresh: "3 days" })
      yield* TestClock.adjust("4 days")
      assert.deepStrictEqual(asked, [2 * DAY, 4 * DAY])
      assert.strictEqual(yield* dueAt, 6 * DAY)
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "is renewed although the policy, or a trait, renews late or never",
    Effect.gen(function* () {
      const policy = RefreshPolicy.make({ ahead: Schedule.stop })
      const never = yield* ending({ access: "10 hours", refresh: "2 hours" }, { policy })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(never.asked, [HOUR])
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "is renewed in time where a refresh ends the old access token, which is renewed late else",
    Effect.gen(function* () {
      const { asked } = yield* ending({ access: "10 hours", refresh: "2 hours" }, { revokesAccessToken: true })
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(asked, [HOUR])
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "is not renewed before the source gives newer tokens",
    Effect.gen(function* () {
      const { asked } = yield* ending({ access: "10 hours", refresh: "2 hours" }, { earliestRefresh: "90 minutes" })
      yield* TestClock.adjust("90 minutes")
      assert.deepStrictEqual(asked, [1.5 * HOUR])
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "whose end no refresh puts off costs some refreshes as that comes near, not one after the other",
    Effect.gen(function* () {
      const { asked } = yield* ending({ access: "9 days", refresh: "2 days", slides: false })
      yield* TestClock.adjust("50 hours")
      assert.deepStrictEqual(asked.slice(0, 3), [DAY, 1.5 * DAY, 1.75 * DAY])
      assert.isAtMost(asked.length, 12)
      assert.isAtMost(2 * DAY - (asked.at(-1) ?? 0), 120_000)
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "within a minute is renewed at half of that",
    Effect.gen(function* () {
      const { asked } = yield* ending({ access: "1 hour", refresh: "50 seconds" })
      yield* TestClock.adjust("25 seconds")
      assert.deepStrictEqual(asked, [25_000])
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )

  holds(
    "and is over already changes nothing",
    Effect.gen(function* () {
      const { asked, provider, dueAt } = yield* ending({ access: "10 hours", refresh: "2 hours" })
      yield* TestClock.adjust("1 second")
      const over = { refreshToken: "r", refreshTokenExpiresAt: 1 }
      yield* provider.put(TokenSet.make({ accessToken: "a", expiresIn: "10 hours", ...over }))
      yield* TestClock.adjust("9 hours")
      assert.deepStrictEqual(asked, [])
      assert.isAtLeast((yield* dueAt) ?? 0, 9 * HOUR)
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )
})

describe('revokes: "replaced"', () => {
  /** A provider whose tokens are numbered, and in which order things happened to them. */
  const revoking = Effect.fnUntraced(function* (
    options: Partial<TokenSourceOptions> & { readonly same?: boolean; readonly expiresIn?: DurationText } = {}
  ) {
    const { expiresIn = "1 hour", same = false, ...given } = options
    const kept = yield* harmable()
    const log: Array<string> = []
    let count = 0
    const next = Effect.sync(() => {
      count = same ? 1 : count + 1
      return TokenSet.make({ accessToken: `access-${count}`, refreshToken: `refresh-${count}`, expiresIn })
    })
    const source = TokenSource.make({
      login: next,
      revoke: ({ accessToken, refreshToken }) =>
        Effect.sync(() => {
          log.push(`revoke ${Redacted.value(accessToken)} ${refreshToken ? Redacted.value(refreshToken) : "alone"}`)
        }),
      revokes: "replaced",
      ...given
    })
    kept.harm((operation, _, does) =>
      operation === "commit" ? Effect.tap(does, (done) => Effect.sync(() => log.push(`commit ${done}`))) : does
    )
    const store = Effect.provideService(TokenStore, kept.store)
    const provider = yield* TokenProvider.make({ key: "k", source }).pipe(store)
    return { ...kept, log, next, provider }
  })

  /** Sources whose tokens are gone by the next request. */
  const renew = (provider: TokenProvider["Type"]) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      yield* provider.refresh
      yield* TestClock.adjust("1 second")
    })

  holds(
    "what a login replaced is revoked, once, after the commit",
    Effect.gen(function* () {
      const { log, provider } = yield* revoking()
      yield* provider.get
      yield* renew(provider)
      assert.deepStrictEqual(log, ["commit true", "commit true", "revoke access-1 refresh-1"])
      yield* renew(provider)
      assert.deepStrictEqual(log.slice(3), ["commit true", "revoke access-2 refresh-2"])
    }).pipe(Effect.scoped)
  )

  holds(
    "of what a refresh replaced the access token alone is: the grant goes on",
    Effect.gen(function* () {
      let count = 0
      const refresh = () =>
        Effect.sync(() => {
          count++
          return TokenSet.make({ accessToken: `newer-${count}`, refreshToken: `rotated-${count}`, expiresIn: "1 hour" })
        })
      const { log, provider } = yield* revoking({ login: undefined, refresh })
      yield* provider.put(TokenSet.make({ accessToken: "first", refreshToken: "rt", expiresIn: "1 hour" }))
      yield* renew(provider)
      assert.deepStrictEqual(log, ["commit true", "revoke first alone"])
      yield* TestClock.adjust("2 hours")
      yield* provider.get
      yield* TestClock.adjust("1 second")
      assert.notInclude(log.join(), "rotated", "no refresh token is revoked")
    }).pipe(Effect.scoped)
  )

  holds(
    "an access token that has ended is left, and one that was answered again",
    Effect.gen(function* () {
      const refresh = () => Effect.succeed(TokenSet.make({ accessToken: "newer", expiresIn: "1 hour" }))
      const ended = yield* revoking({ login: undefined, refresh })
      yield* ended.provider.put(TokenSet.make({ accessToken: "first", refreshToken: "rt", expiresAt: 1 }))
      yield* TestClock.adjust("1 second")
      yield* ended.provider.get
      yield* renew(ended.provider)
      const again = yield* revoking({ same: true })
      yield* again.provider.get
      yield* renew(again.provider)
      assert.notInclude([...ended.log, ...again.log].join(), "revoke")
    }).pipe(Effect.scoped)
  )

  holds(
    "nothing is while the store has not taken the newer tokens, or where nobody knows whether it did",
    Effect.gen(function* () {
      const { harm, heal, log, provider } = yield* revoking()
      yield* provider.get
      harm((operation, _, does) => (operation === "commit" ? Effect.fail("away") : does))
      yield* renew(provider)
      assert.deepStrictEqual(log, ["commit true"])
      heal()
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(log, ["commit true", "revoke access-1 refresh-1"])
      harm((operation, _, does) => (operation === "commit" ? Effect.zipRight(does, Effect.fail("lost")) : does))
      yield* renew(provider)
      heal()
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(log, 2)
    }).pipe(Effect.scoped)
  )

  holds(
    "nobody waits for it, and what comes of it changes nothing",
    Effect.gen(function* () {
      const called = yield* Deferred.make<void>()
      const { provider } = yield* revoking({
        revoke: () => Effect.zipRight(Deferred.succeed(called, undefined), Effect.never)
      })
      yield* provider.get
      yield* TestClock.adjust("1 second")
      assert.strictEqual(value(yield* provider.refresh), "access-2")
      yield* Deferred.await(called)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(value(yield* provider.get), "access-2")
    }).pipe(Effect.scoped)
  )

  holds(
    "what a store in memory takes with it is at its end, not at that of one of its providers",
    Effect.gen(function* () {
      const log: Array<string> = []
      const revoke = ({ accessToken }: TokenSet) => Effect.sync(() => void log.push(Redacted.value(accessToken)))
      const { next } = yield* revoking()
      const source = TokenSource.make({ login: next, revoke, revokes: "replaced" })
      const use = (key: string) =>
        Effect.scoped(
          Effect.flatMap(TokenProvider.make({ key, source }), (provider) =>
            Effect.zipRight(provider.get, key === "gone" ? provider.forget : Effect.void)
          )
        )
      yield* Effect.gen(function* () {
        yield* use("a")
        yield* use("a")
        yield* use("gone")
        assert.deepStrictEqual(log.splice(0), ["access-2"], "the logout")
        yield* use("b")
      }).pipe(Effect.provide(MemoryTokenStore.layer))
      assert.sameMembers(log, ["access-1", "access-3"])
    }).pipe(Effect.scoped)
  )

  holds(
    "is refused where a source has no revocation",
    Effect.gen(function* () {
      const { next } = yield* revoking()
      for (const source of [
        TokenSource.make({ login: next, revokes: "replaced" }),
        OAuth2.clientCredentials({ tokenEndpoint: "https://auth.example.com", clientId: "app", revokes: "replaced" })
      ]) {
        const error = yield* Effect.flip(Effect.provide(source, FetchHttpClient.layer))
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", "revokes"])
        assert.include(error.message, "no effect")
      }
    }).pipe(Effect.scoped)
  )
})
