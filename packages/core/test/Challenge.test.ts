import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { asksForNewer, type Challenge, claimsOf, parseChallenges, tokenChallenge } from "../src/http/WwwAuthenticate.js"

describe("parseChallenges", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, object, string?]>]> = [
    ["", []],
    ["Bearer", [["bearer", {}]]],
    ["bEARER realm=x", [["bearer", { realm: "x" }]]],
    [
      'Bearer realm="a, Basic realm=b", error="invalid_token"',
      [["bearer", { realm: "a, Basic realm=b", error: "invalid_token" }]]
    ],
    ['Bearer ERROR = "invalid_token" , scope="a b"', [["bearer", { error: "invalid_token", scope: "a b" }]]],
    [
      "Negotiate, Basic realm=x",
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }]
      ]
    ],
    [
      "Negotiate a87421000492aa874209af8bc028==, Bearer",
      [
        ["negotiate", {}, "a87421000492aa874209af8bc028=="],
        ["bearer", {}]
      ]
    ],
    [
      'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
      [
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
        ["basic", { realm: "simple" }]
      ]
    ],
    [', ,Bearer realm="x",,error=invalid_token,', [["bearer", { realm: "x", error: "invalid_token" }]]],
    ['DPoP error="use_dpop_nonce", algs="ES256 PS256"', [["dpop", { error: "use_dpop_nonce", algs: "ES256 PS256" }]]],
    ['Bearer error="a", error="b"', [["bearer", { error: "a" }]]],
    ['Bearer error="unclosed', [["bearer", { error: "unclosed" }]]],
    ['Bearer error="ends in \\', [["bearer", { error: "ends in " }]]],
    ['"Bearer error=x", Basic realm=y', [["basic", { realm: "y" }]]],
    ['realm="x"', [["realm", {}]]],
    ["Bearer __proto__=x, constructor=y", [["bearer", { ["__proto__"]: "x", constructor: "y" }]]],
    ["Bearer error=invalid_token; scope=x", [["bearer", { error: "invalid_token", scope: "x" }]]]
  ]
  for (const [header, expected] of cases) {
    it(`reads ${header === "" ? "an empty header" : header}`, () => {
      const found = parseChallenges(header)
      assert.deepStrictEqual(
        found.map(({ parameters, scheme, token68 }) => ({ scheme, parameters: Object.entries(parameters), token68 })),
        expected.map(([scheme, parameters, token68]) => ({ scheme, parameters: Object.entries(parameters), token68 }))
      )
    })
  }

  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~A-Za-z0-9]{1,12}$/)
  const text = fc.string({ maxLength: 20 }).filter((value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
  const quote = (value: string) => `"${value.replace(/["\\]/g, "\\$&")}"`
  const parameters = fc.uniqueArray(fc.tuple(token, text), { maxLength: 4, selector: ([name]) => name.toLowerCase() })
  const challenge = fc.record({ scheme: token, parameters })

  it("reads back whatever the grammar can write", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 4 }), fc.constantFrom(", ", ",", " ,\t, "), (challenges, comma) => {
        const header = challenges
          .map((one) =>
            `${one.scheme} ${one.parameters.map(([name, value]) => `${name}=${quote(value)}`).join(comma)}`.trim()
          )
          .join(comma)
        const expected = challenges.map((one) => ({
          scheme: one.scheme.toLowerCase(),
          parameters: new Map(one.parameters.map(([name, value]) => [name.toLowerCase(), value]))
        }))
        const found = parseChallenges(header).map((one) => ({
          scheme: one.scheme,
          parameters: new Map(Object.entries(one.parameters))
        }))
        assert.deepStrictEqual(found, expected)
      })
    )
  })

  it("makes something of any text, and never fails", () => {
    const noise = fc.array(fc.oneof(fc.string(), fc.constantFrom("Bearer", " ", ",", "=", '"', "\\", "error", "a=b")))
    fc.assert(
      fc.property(noise, (parts) => {
        for (const { parameters, scheme } of parseChallenges(parts.join(""))) {
          assert.match(scheme, /^[!#$%&'*+\-.^_`|~\w]+$/)
          for (const name of Object.keys(parameters)) assert.strictEqual(name, name.toLowerCase())
        }
      })
    )
  })

  it("goes over a long header once, whatever it holds", () => {
    // Were it quadratic, this would run for minutes.
    for (const piece of [" ", ",", "=", '"', "\\", "a", "a ", "a=", 'a="', 'a="\\', "a =", "a a==", "=\t"]) {
      parseChallenges(piece.repeat(200_000))
      parseChallenges(`Bearer ${piece.repeat(200_000)}`)
    }
  })
})

describe("what a challenge says of the token", () => {
  const of = (header: string) => tokenChallenge(parseChallenges(header))

  it("is said by the one for tokens that names an error", () => {
    assert.deepInclude(of('Basic realm="x", Bearer realm="y", DPoP error="use_dpop_nonce"')?.parameters, {
      error: "use_dpop_nonce"
    })
    assert.strictEqual(of("Bearer realm=y")?.scheme, "bearer")
    assert.isUndefined(of('Basic error="insufficient_scope"'))
  })

  it("may be claims, in Base64 or as they are", () => {
    const json = '{"access_token":{"nbf":{"essential":true}}}'
    const bearer = (claims: string): Challenge => ({ scheme: "bearer", parameters: { claims }, token68: undefined })
    for (const claims of [json, btoa(json), btoa(json).replace(/=+$/, "")]) {
      assert.strictEqual(claimsOf(bearer(claims)), json)
    }
    assert.strictEqual(claimsOf(bearer("%%%")), "%%%")
    assert.isTrue(asksForNewer(json))
    for (const other of [
      "",
      "{",
      "[]",
      "{}",
      '{"access_token":{"acrs":{}}}',
      '{"access_token":{"nbf":{},"acrs":{}}}'
    ]) {
      assert.isFalse(asksForNewer(other), other)
    }
  })
})
