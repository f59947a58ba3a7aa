import { assert, describe, it } from "@effect/vitest"
import { TokenSet } from "@evertoken/core"
import { Option, Redacted } from "effect"

describe("since when a refresh token has had its end", () => {
  it("is carried on for as long as refreshing does not put the end off", () => {
    const first = at(0, { endsAt: 90 * DAY })
    const hour = at(HOUR, { endsAt: 90 * DAY + 2_000 }).following(first)
    assert.deepStrictEqual([hour.refreshTokenExpiresAt, hour.refreshTokenEndSetAt], [90 * DAY, 0])
    const unsaid = at(2 * HOUR, { refreshToken: undefined }).following(hour)
    assert.deepStrictEqual([unsaid.refreshTokenExpiresAt, unsaid.refreshTokenEndSetAt], [90 * DAY, 0])
    const sooner = at(3 * HOUR, { endsAt: 80 * DAY }).following(unsaid)
    assert.deepStrictEqual([sooner.refreshTokenExpiresAt, sooner.refreshTokenEndSetAt], [80 * DAY, 0])
    const slid = at(4 * HOUR, { endsAt: 91 * DAY }).following(sooner)
    assert.deepStrictEqual([slid.refreshTokenExpiresAt, slid.refreshTokenEndSetAt], [91 * DAY, undefined])
    const unknown = at(5 * HOUR, {}).following(slid)
    assert.deepStrictEqual([unknown.refreshTokenExpiresAt, unknown.refreshTokenEndSetAt], [undefined, undefined])
  })

  it("an end that is put off by less than a minute at a time counts as put off", () => {
    let tokens = at(0, { endsAt: HOUR })
    let fixed = 0
    for (let now = 30_000; now < 6 * HOUR; now += 30_000) {
      tokens = at(now, { endsAt: now + HOUR }).following(tokens)
      fixed = Math.max(fixed, now - (tokens.refreshTokenEndSetAt ?? now))
      assert.isAtLeast(tokens.refreshTokenExpiresAt ?? 0, now + HOUR - 60_000)
    }
    assert.isAtMost(fixed, 120_000)
  })

  it("is kept with the row; a row that was written without it still reads", () => {
    const kept = at(HOUR, { endsAt: 90 * DAY }).following(at(0, { endsAt: 90 * DAY }))
    const back = Option.getOrThrow(TokenSet.decode(TokenSet.encode(kept)))
    assert.strictEqual(back.refreshTokenEndSetAt, 0)
    assert.strictEqual(back.shifted(5).refreshTokenEndSetAt, 5)
    const { refreshTokenEndSetAt: _, ...older } = JSON.parse(TokenSet.encode(kept))
    const old = Option.getOrThrow(TokenSet.decode(JSON.stringify(older)))
    assert.deepStrictEqual([old.refreshTokenExpiresAt, old.refreshTokenEndSetAt], [90 * DAY, undefined])
    assert.strictEqual(at(2 * HOUR, { endsAt: 90 * DAY }).following(old).refreshTokenEndSetAt, HOUR)
  })
})

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** What a token endpoint answered at `now`. */
const at = (now: number, { endsAt, ...rest }: { readonly endsAt?: number; readonly refreshToken?: undefined }) =>
  TokenSet.make({
    ...{ accessToken: "access", refreshToken: Redacted.make("refresh"), expiresIn: "1 hour" },
    ...{ refreshTokenExpiresAt: endsAt, ...rest }
  }).obtained(now)
