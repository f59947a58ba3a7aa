import { assert, describe, it } from "@effect/vitest"
import { TokenProviders, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, TestClock } from "effect"
import { withRest } from "../src/config/Rest.js"
import { parse } from "./Service.js"

describe("keys that names can be made up for", () => {
  it.scoped(
    "rest once nobody asks for them, beside a worker that renews the others, and come back when asked for",
    () =>
      Effect.gen(function* () {
        const logins = new Map<string, number>()
        const source = (key: string) =>
          TokenSource.make({
            login: Effect.sync(() => {
              logins.set(key, (logins.get(key) ?? 0) + 1)
              return TokenSet.make({ accessToken: `${key}-${logins.get(key)}`, expiresIn: "1 hour" })
            })
          })
        const store = withRest(yield* MemoryTokenStore.make, connections)
        yield* Effect.gen(function* () {
          const providers = yield* TokenProviders
          yield* TokenWorker.beside({ every: "15 minutes" })
          const keys = ["exact", "made/named", "made/up", "odd/up"]
          for (const key of keys) yield* providers.get(key)
          for (let hour = 0; hour < 5; hour++) yield* TestClock.adjust("1 hour")
          for (const key of ["exact", "made/named"]) assert.isAtLeast(logins.get(key) ?? 0, 4, key)
          for (const key of ["made/up", "odd/up"]) assert.strictEqual(logins.get(key), 1, key)
          const again = yield* providers.get("made/up")
          assert.strictEqual(again.generation > 0 && logins.get("made/up"), 2)
          // For as long as somebody asks it is renewed before it ends.
          for (let minute = 0; minute < 58; minute += 2) {
            yield* TestClock.adjust("2 minutes")
            yield* providers.get("made/up")
          }
          assert.strictEqual(logins.get("made/up"), 3)
        }).pipe(Effect.provide(TokenProviders.layer({ source })), Effect.provideService(TokenStore, store))
      })
  )

  it.effect("are due again for nobody, whoever puts or restores them; what a login page puts is", () =>
    Effect.gen(function* () {
      const store = withRest(yield* MemoryTokenStore.make, connections)
      const tokens = TokenSet.make({ accessToken: "a", refreshToken: "r", expiresIn: "1 hour" })
      for (const [key, due] of [
        ["made/up", false],
        ["odd/up", false],
        ["page/up", true],
        ["made/named", true],
        ["unknown", true]
      ] as const) {
        const over = yield* store.put(key, tokens, 1_000)
        const put = yield* Effect.flatten(store.load(key))
        yield* store.restore(key, { tokens, generation: over + 5, over, dueIn: 1_000 })
        const restored = yield* Effect.flatten(store.load(key))
        assert.deepStrictEqual([key, put.dueAt !== undefined, restored.dueAt !== undefined], [key, due, due])
      }
    })
  )
})

const oauth2 = { tokenEndpoint: "https://auth.example.com/token", clientId: "c", clientSecret: "env:SECRET" }
const url = "https://odd.example.com/session"
const { connections } = parse({
  connections: [
    { key: "exact", grant: "client_credentials", ...oauth2 },
    { key: "made/*", grant: "client_credentials", ...oauth2 },
    { key: "made/named", grant: "client_credentials", ...oauth2 },
    { key: "odd/*", grant: "custom", login: { url } },
    { key: "page/*", grant: "refresh_token", ...oauth2 }
  ]
})
