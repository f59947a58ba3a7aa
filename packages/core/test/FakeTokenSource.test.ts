import { assert, it } from "@effect/vitest"
import { TokenEndpointError, TokenSet } from "@evertoken/core"
import { FakeTokenSource } from "@evertoken/core/testing"
import { Effect } from "effect"

it.effect("a refresh token works once; one that comes again is counted and ends the grant", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make({ canLogin: false })
    const { login, refresh } = yield* fake.source
    assert.isUndefined(login)
    if (refresh === undefined) return assert.fail("no refresh")
    const first = fake.login()
    const second = yield* refresh(first)
    assert.strictEqual((yield* Effect.flip(refresh(first)))._tag, "GrantRejected")
    assert.strictEqual((yield* Effect.flip(refresh(second)))._tag, "GrantRejected")
    assert.strictEqual(fake.reuses(), 1)
    assert.deepStrictEqual(
      fake.log.map(({ outcome, presented }) => `${presented} ${outcome}`),
      ["refresh-1 ok", "refresh-1 GrantRejected", "refresh-2 GrantRejected"]
    )
  })
)

it.effect("requests come to what was scripted, in order: one that fails spends nothing, one that got lost does", () =>
  Effect.gen(function* () {
    const fake = FakeTokenSource.make()
    const { refresh } = yield* fake.source
    if (refresh === undefined) return assert.fail("no refresh")
    const tokens = fake.login()
    fake.next({ fails: new TokenEndpointError({ reason: "unavailable" }) }, { lost: true })
    assert.propertyVal(yield* Effect.flip(refresh(tokens)), "reason", "unavailable")
    assert.propertyVal(yield* Effect.flip(refresh(tokens)), "reason", "disconnected")
    assert.strictEqual((yield* Effect.flip(refresh(tokens)))._tag, "GrantRejected")
    yield* Effect.flip(refresh(TokenSet.make({ refreshToken: "another" })))
    assert.strictEqual(fake.reuses(), 1)
    assert.deepStrictEqual(
      fake.log.map(({ outcome }) => outcome),
      ["TokenEndpointError", "lost", "GrantRejected", "GrantRejected"]
    )
  })
)
