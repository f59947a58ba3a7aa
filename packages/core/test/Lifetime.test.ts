import { assert, describe, it } from "@effect/vitest"
import { Expiry, OAuth2, RefreshPolicy, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Redacted, TestClock } from "effect"
import { answering, type Sent } from "./network.js"

const start = 1_000_000_000_000
const MINUTE = 60_000
const client = {
  tokenEndpoint: "https://auth.example.com/token",
  clientId: "app",
  clientSecret: Redacted.make("s")
}
const sources = {
  login: OAuth2.clientCredentials(client),
  refresh: OAuth2.refreshToken(client)
}

const policy = RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("1 minute") })

/** The ends, in minutes from the start, of the tokens that these answers bring, twenty minutes after each other. */
const ends = Effect.fnUntraced(function* (by: keyof typeof sources, answers: ReadonlyArray<object>) {
  yield* TestClock.setTime(start)
  const sent: Array<Sent> = []
  const network = answering(sent, () => Response.json(answers[sent.length - 1]))
  const provider = yield* TokenProvider.make({ key: "k", source: Effect.provide(sources[by], network), policy })
  if (by === "refresh") yield* provider.put(TokenSet.make({ refreshToken: "rt" }))
  const found: Array<number | undefined> = []
  for (const _ of answers) {
    const token = yield* provider.refresh
    found.push(token.expiresAt === undefined ? undefined : (token.expiresAt - start) / MINUTE)
    yield* TestClock.adjust("20 minutes")
  }
  return found
}, Effect.provide(MemoryTokenStore.layer))

describe("how long a token lives", () => {
  for (const by of ["login", "refresh"] as const) {
    for (const [what, silence] of [
      ["says nothing", {}],
      ["says 0", { expires_in: 0 }],
      ["says null", { expires_in: null }]
    ] as const) {
      it.scoped(`${by}: an answer that ${what} has the lifetime that the last one had`, () =>
        Effect.gen(function* () {
          const found = yield* ends(by, [
            { access_token: "a", expires_in: 3_600 },
            { access_token: "b", ...silence },
            { access_token: "c", ...silence }
          ])
          assert.deepStrictEqual(found, [60, 80, 100])
        })
      )

      it.scoped(
        `${by}: where no answer did more than this, ${what}, nobody knows, and it is not asked for each call`,
        () =>
          Effect.gen(function* () {
            yield* TestClock.setTime(start)
            const sent: Array<Sent> = []
            const network = answering(sent, () => Response.json({ access_token: `${sent.length}`, ...silence }))
            const provider = yield* TokenProvider.make({ key: "k", source: Effect.provide(sources[by], network) })
            if (by === "refresh") yield* provider.put(TokenSet.make({ refreshToken: "rt" }))
            for (let call = 0; call < 20; call++) {
              yield* provider.get
              yield* TestClock.adjust("30 minutes")
            }
            assert.lengthOf(sent, 1)
          }).pipe(Effect.provide(MemoryTokenStore.layer))
      )
    }
  }

  it.scoped("a login that is answered with the token that is there already puts off no end", () =>
    Effect.gen(function* () {
      const same = { access_token: "a", expires_in: 3_600 }
      assert.deepStrictEqual(yield* ends("login", [same, same, { access_token: "a", expires_in: 60 }]), [60, 60, 41])
    })
  )

  it.scoped("… but once it has ended, the server is believed again: no token is over for ever", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const sent: Array<Sent> = []
      const network = answering(sent, () => Response.json({ access_token: "a", expires_in: 3_600 }))
      const provider = yield* TokenProvider.make({ key: "k", source: Effect.provide(sources.login, network), policy })
      for (let minute = 0; minute < 600; minute++) {
        assert.strictEqual(Redacted.value((yield* provider.get).value), "a")
        yield* TestClock.adjust("1 minute")
      }
      // Ten an hour: as its end comes nearer, it is asked for after ever half of what is left.
      assert.isAtMost(sent.length, 100)
    }).pipe(Effect.provide(MemoryTokenStore.layer))
  )

  it.scoped("… or says nothing of it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* ends("login", [{ access_token: "a", expires_in: 3_600 }, { access_token: "a" }]),
        [60, 60]
      )
    })
  )

  it.scoped("a refresh that is answered with the same token extends it, as some servers do", () =>
    Effect.gen(function* () {
      const same = { access_token: "a", expires_in: 3_600 }
      assert.deepStrictEqual(yield* ends("refresh", [same, same]), [60, 80])
    })
  )

  it.effect("where nobody ever says, a source can", () =>
    Effect.gen(function* () {
      const expiry = Expiry.first(Expiry.seconds("expires_in"), Expiry.fixed("1 hour"))
      const source = yield* OAuth2.clientCredentials({ ...client, expiry }).pipe(
        Effect.provide(answering([], () => Response.json({ access_token: "a" })))
      )
      const tokens = yield* source.login ?? Effect.die("no login")
      assert.strictEqual(tokens.obtained(start).expiresAt, start + 60 * MINUTE)
    })
  )
})
