import { assert, describe, it } from "@effect/vitest"
import { Expiry } from "@evertoken/core"
import { Duration } from "effect"
import { at } from "../src/oauth2/JsonPath.js"

const hour = 3_600_000
const instant = Date.UTC(2026, 0, 1)

describe("Expiry", () => {
  const table: ReadonlyArray<readonly [name: string, Expiry.Expiry, value: unknown, Expected]> = [
    ["seconds", Expiry.seconds("at"), 3600, { lasts: hour }],
    ["seconds as text", Expiry.seconds("at"), " 3600 ", { lasts: hour }],
    ["a fraction", Expiry.seconds("at"), "0.5", { lasts: 500 }],
    ["zero", Expiry.seconds("at"), 0, undefined],
    ["a negative number", Expiry.seconds("at"), -5, undefined],
    ["a negative text", Expiry.seconds("at"), "-5", undefined],
    ["hexadecimal", Expiry.seconds("at"), "0x10", undefined],
    ["an exponent", Expiry.seconds("at"), "1e3", undefined],
    ["infinity", Expiry.seconds("at"), Number.POSITIVE_INFINITY, undefined],
    ["no number", Expiry.seconds("at"), Number.NaN, undefined],
    ["a list", Expiry.seconds("at"), [3600], undefined],
    ["true", Expiry.seconds("at"), true, undefined],
    ["over ten years", Expiry.seconds("at"), 315_360_001, undefined],
    ["milliseconds", Expiry.millis("at"), hour, { lasts: hour }],
    ["minutes", Expiry.minutes("at"), 60, { lasts: hour }],
    ["epoch seconds", Expiry.epochSeconds("at"), instant / 1000, { ends: instant }],
    ["epoch seconds as text", Expiry.epochSeconds("at"), `${instant / 1000}`, { ends: instant }],
    ["epoch milliseconds", Expiry.epochMillis("at"), instant, { ends: instant }],
    ["an absurd end", Expiry.epochMillis("at"), 1e300, undefined],
    ["an ISO date", Expiry.isoDate("at"), "2026-01-01T00:00:00Z", { ends: instant }],
    ["an ISO date with an offset", Expiry.isoDate("at"), "2026-01-01T13:00:00.000+13:00", { ends: instant }],
    ["an ISO date without a zone", Expiry.isoDate("at"), "2026-01-01T00:00:00", undefined],
    ["a day", Expiry.isoDate("at"), "2026-01-01", undefined],
    ["a date that is none", Expiry.isoDate("at"), "2026-13-41T99:00:00Z", undefined],
    ["days to seconds", Expiry.clock("at"), "1:02:03:04", { lasts: 93_784_000 }],
    ["hours to seconds", Expiry.clock("at", "H:MM:SS"), "177:05:38", { lasts: 637_538_000 }],
    ["days to minutes", Expiry.clock("at", "D:HH:MM"), "177:05:38", { lasts: 15_313_080_000 }],
    ["a part too few", Expiry.clock("at"), "02:03:04", undefined],
    ["a part that is no number", Expiry.clock("at"), "1:xx:03:04", undefined],
    ["a JWT", Expiry.jwt("at"), `e30.${btoa(`{"exp":${instant / 1000}}`).replace(/=+$/, "")}.s`, { ends: instant }],
    ["a JWT without exp", Expiry.jwt("at"), "e30.e30.s", undefined],
    ["a JWT of nonsense", Expiry.jwt("at"), "a.b.c", undefined],
    ["no JWT", Expiry.jwt("at"), "opaque", undefined],
    ["a fixed one", Expiry.fixed("1 hour"), "whatever", { lasts: hour }],
    ["nobody says", Expiry.unknown, 3600, undefined],
    [
      "the first that is usable",
      Expiry.first(Expiry.seconds("none"), Expiry.isoDate("at"), Expiry.minutes("at")),
      60,
      { lasts: hour }
    ]
  ]
  for (const [name, read, value, expected] of table) {
    it(`reads ${name}`, () => {
      const lifetime = read({ at: value })
      const lasts = lifetime?.expiresIn === undefined ? undefined : Duration.toMillis(lifetime.expiresIn)
      assert.deepStrictEqual({ lasts, ends: lifetime?.expiresAt }, { lasts: undefined, ends: undefined, ...expected })
    })
  }

  it("follows a path with dots, also through lists and names that hold dots", () => {
    assert.strictEqual(at({ a: [{ b: 1 }] }, "a.0.b"), 1)
    assert.strictEqual(at({ "a.b": 2, a: { b: 1 } }, "a.b"), 2)
    for (const path of ["", ".", "a.", "a.x", "__proto__", "constructor.name", "toString"]) {
      assert.isUndefined(at({ a: {} }, path))
    }
    for (const nothing of [undefined, null, "text", 5]) assert.isUndefined(at(nothing, "length"))
  })
})

type Expected = { readonly lasts?: number; readonly ends?: number } | undefined
