import { assert, describe, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import type { TokenRecord } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Option, TestClock } from "effect"
import { connectionOf } from "../src/observability/ConnectionHealth.js"

describe("the health of a connection", () => {
  it("says that a login is needed soon a week before an end that hourly refreshes do not put off", () => {
    const told = hourly(() => 90 * DAY, 90 * 24 - 1)
    const [first = 0] = told.find(([, health]) => health === "soon") ?? []
    assert.strictEqual(90 * DAY - first, 7 * DAY - HOUR)
    assert.isTrue(told.every(([now, health]) => health === (now < first ? "ok" : "soon")))
  })

  it("says so at half of the span where that is less than two weeks", () => {
    const told = hourly(() => DAY, 23)
    assert.deepStrictEqual(
      told.find(([, health]) => health === "soon"),
      [13 * HOUR, "soon"]
    )
  })

  it.each([30, 1])("never says so of an end %i days off that each refresh puts off", (days) => {
    const told = hourly((now) => now + days * DAY, 60 * 24)
    assert.deepStrictEqual(new Set(told.map(([, health]) => health)), new Set(["ok"]))
  })

  it("says of a token that ended what keeps it from being renewed", () => {
    const tokens = TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }).obtained(0)
    const failure = { by: "login", tag: "TokenEndpointError", reason: "unavailable", status: 503 } as const
    const now = 2 * HOUR
    const of = (record: Partial<TokenRecord>) =>
      connectionOf({ key: "key", generation: 1, record: { ...row, tokens, ...record }, error: undefined }, now)
    assert.deepStrictEqual([of({}).health, of({}).failure], ["idle", undefined])
    const down = of({ failures: 1, failure })
    assert.deepStrictEqual([down.health, down.failure], ["down", "TokenEndpointError: unavailable, HTTP 503"])
    const refused = of({
      failures: 1,
      dead: true,
      failure: { by: "refresh", tag: "GrantRejected", code: "invalid_grant" }
    })
    assert.deepStrictEqual([refused.health, refused.failure], ["login", "GrantRejected: invalid_grant"])
  })

  it.effect("says so of what a provider renewed and kept in a store", () =>
    Effect.gen(function* () {
      const answer = {
        accessToken: "a",
        expiresIn: "1 hour",
        refreshToken: "r",
        refreshTokenExpiresAt: new Date(4 * HOUR)
      } as const
      const source = TokenSource.make({ refresh: () => Effect.succeed(TokenSet.make(answer)) })
      const provider = yield* TokenProvider.make({ key: "key", source })
      yield* provider.put(TokenSet.make(answer))
      const store = yield* TokenStore
      const told: Array<string> = []
      for (let hour = 0; hour < 3; hour++) {
        yield* TestClock.adjust("59 minutes")
        yield* provider.refresh
        const now = yield* Clock.currentTimeMillis
        for (const row of yield* store.page({ after: undefined, limit: 1 })) told.push(connectionOf(row, now).health)
      }
      assert.deepStrictEqual(told, ["ok", "ok", "soon"])
    }).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))
  )
})

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The health after each of `count` hourly refreshes, whose refresh tokens end as `ends` says. */
const hourly = (ends: (now: number) => number, count: number) => {
  const answered = (now: number) =>
    TokenSet.make({
      ...{ accessToken: "access", expiresIn: "2 hours", refreshToken: "refresh" },
      // As wide of the mark as a lifetime in seconds is that took a while to come.
      refreshTokenExpiresAt: new Date(ends(now) + (((now / HOUR) * 617) % 2_000))
    }).obtained(now)
  const told: Array<readonly [now: number, health: string]> = []
  for (let hour = 1, tokens = answered(0); hour <= count; hour++) {
    const now = hour * HOUR
    const kept = Option.getOrThrow(TokenSet.decode(TokenSet.encode(tokens)))
    tokens = answered(now).following(kept)
    told.push([
      now,
      connectionOf({ key: "key", generation: hour, record: { ...row, tokens }, error: undefined }, now).health
    ])
  }
  return told
}

const row: Omit<TokenRecord, "tokens"> = {
  ...{ generation: 1, failures: 0, dead: false, failure: undefined, failedAt: undefined, refreshedAt: undefined },
  ...{ leaseOwner: undefined, leaseUntil: undefined, leasedAt: undefined, intentOwner: undefined, intentAt: undefined },
  ...{ dueAt: undefined, scheduledAt: undefined, claims: 0, retryAt: undefined }
}
