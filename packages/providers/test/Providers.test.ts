import { assert, describe, it } from "@effect/vitest"
import { TokenSet } from "@evertoken/core"
import { apiOf, fromProfile, type ProviderProfile } from "@evertoken/core/profile"
import { FakeResourceServer } from "@evertoken/core/testing"
import * as providers from "@evertoken/providers"
import { Duration, Effect, Redacted, TestClock } from "effect"
import { answers } from "./answers.js"
import { inputsOf, privateKey } from "./inputs.js"
import type { Answer, Recorded } from "./Recorded.js"

describe("a provider's profile", () => {
  for (const profile of Object.values(providers)) {
    it.effect(`reads what ${profile.name} answers`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now)
        const recorded = recordedOf(profile)
        const { again, first, refreshed, token } = recorded
        if (profile.grants.includes("authorization_code")) {
          const inputs = {
            clientId: "app",
            ...inputsOf(profile, recorded, yield* key),
            redirectUri: back,
            grant: "authorization_code"
          } as const
          const login = yield* Effect.provide(fromProfile(profile, inputs), answering(first))
          const started = yield* login.authorize({ parameters: { prompt: "login" } })
          check(yield* login.exchange(`${back}?code=c-1&state=${started.state}`, started), token)
        }
        const { refresh: _, refreshLasts: __, ...renewed } = token
        const next = { ...(refreshed === undefined ? token : renewed), ...again }
        check(yield* ask(profile, recorded, refreshed ?? first), next)
      })
    )

    it.effect(`knows what ${profile.name} means by an error`, () =>
      Effect.gen(function* () {
        const recorded = recordedOf(profile)
        const refused = yield* Effect.flip(ask(profile, recorded, recorded.dead))
        assert.strictEqual(refused._tag, recorded.refusal ?? "GrantRejected")
        const limited = yield* Effect.flip(ask(profile, recorded, recorded.limited))
        assert.deepInclude(limited, { _tag: "TokenEndpointError", reason: "throttled" })
      })
    )
  }

  for (const profile of Object.values(providers).filter(({ api }) => api?.hosts !== undefined)) {
    it.effect(`finds the API of ${profile.name} by what came with its token`, () =>
      Effect.gen(function* () {
        const recorded = recordedOf(profile)
        const { address } = yield* apiOf(profile, "tenant" in recorded ? { tenant: recorded.tenant } : {})
        const { hosts, of } = address ?? assert.fail("it has no address")
        const url = new URL(of(recorded.token.extra ?? {}) ?? assert.fail("it has no URL"))
        assert.strictEqual(url.protocol, "https:")
        assert.match(url.host, new RegExp(`^(?:${hosts.source})$`))
      })
    )
  }

  it("has a name of its own, by which its module is called too, and answers of its own", () => {
    const ids = Object.values(providers).map(({ id }) => id)
    const names = ids.map((id) => id.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()))
    assert.deepStrictEqual(Object.keys(providers), names)
    assert.deepStrictEqual(Object.keys(answers).sort(), ids.sort())
  })
})

const now = Date.UTC(2026, 0, 1)
const back = "https://app.example.com/back"
const recordedOf = ({ id = "" }: ProviderProfile): Recorded => answers[id] ?? assert.fail("it has no answers")

let made: Promise<string> | undefined
const key = Effect.promise(() => {
  made ??= privateKey()
  return made
})

const answering = ({ body, headers = {}, status = 200 }: Answer) =>
  FakeResourceServer.make({
    answer: () =>
      typeof body === "string" ? new Response(body, { status, headers }) : Response.json(body, { status, headers })
  }).layer

/** Asks for tokens, by a login or for those in hand. */
const ask = (profile: ProviderProfile, recorded: Recorded, answer: Answer) =>
  Effect.gen(function* () {
    const made = fromProfile(profile, inputsOf(profile, recorded, yield* key))
    const { login, refresh } = yield* Effect.provide(made, answering(answer))
    const current = TokenSet.make({ accessToken: "at-0", refreshToken: "rt-1" })
    return yield* login ?? refresh?.(current) ?? Effect.dieMessage("it gives no tokens")
  })

const check = (tokens: TokenSet, expected: Recorded["token"]): void => {
  const { accessToken, expiresAt, expiresIn, extra, refreshToken, refreshTokenExpiresIn, scopes, tokenType } = tokens
  const ends = expiresAt === undefined ? undefined : (expiresAt - now) / 1000
  assert.deepStrictEqual(
    {
      access: Redacted.value(accessToken),
      refresh: refreshToken && Redacted.value(refreshToken),
      lasts: expiresIn === undefined ? ends : Duration.toSeconds(expiresIn),
      refreshLasts: refreshTokenExpiresIn && Duration.toSeconds(refreshTokenExpiresIn),
      type: tokenType,
      ...(expected.scopes === undefined ? {} : { scopes }),
      extra
    },
    { refresh: undefined, lasts: undefined, refreshLasts: undefined, type: "Bearer", extra: {}, ...expected }
  )
}
