import { FetchHttpClient } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { RemoteTokenProvider } from "@evertoken/client"
import { OAuth2, TokenProvider, TokenSet, TokenStore } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Config, ConfigProvider, Effect, Layer, Option } from "effect"

const given = (entries: Readonly<Record<string, string>>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

/** Why `layer` could not be built. */
const told = <A, E>(layer: Layer.Layer<A, E>) => Effect.map(Effect.flip(Layer.build(layer)), String)

describe("layerConfig", () => {
  const source = Effect.flatMap(
    Config.unwrap({
      tokenEndpoint: Config.string("TOKEN_ENDPOINT"),
      clientId: Config.string("CLIENT_ID"),
      clientSecret: Config.redacted("CLIENT_SECRET")
    }),
    OAuth2.clientCredentials
  )
  const provider = TokenProvider.layerConfig({ key: Config.string("CONNECTION"), source }).pipe(
    Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer])
  )
  const all = { CLIENT_ID: "app", CLIENT_SECRET: "s", CONNECTION: "mine" }

  it.scoped("of a provider takes the key, and its source the rest", () =>
    Effect.gen(function* () {
      const entries = { ...all, TOKEN_ENDPOINT: "https://auth.example.com/token" }
      const { key } = yield* Effect.provide(TokenProvider, Layer.provide(provider, given(entries)))
      assert.strictEqual(key, "mine")
      assert.include(yield* told(Layer.provide(provider, given(all))), "TOKEN_ENDPOINT")
      const { CONNECTION: _, ...rest } = entries
      assert.include(yield* told(Layer.provide(provider, given(rest))), "CONNECTION")
    })
  )

  it.scoped("of a SQL store takes the table's name, and whether to make it", () =>
    Effect.gen(function* () {
      const client = yield* Layer.build(SqliteClient.layer({ filename: ":memory:" }))
      const store = SqlTokenStore.layerConfig({
        encryption: "off",
        table: Config.string("TABLE"),
        migrate: Config.withDefault(Config.boolean("MIGRATE"), true)
      }).pipe(Layer.provide(Layer.succeedContext(client)))
      const rows = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT key FROM vault`).pipe(Effect.provide(client))
      assert.include(yield* told(Layer.provide(store, given({}))), "TABLE")
      assert.include(yield* told(Layer.provide(store, given({ TABLE: "vault", MIGRATE: "perhaps" }))), "MIGRATE")
      yield* Effect.gen(function* () {
        const { load, put } = yield* TokenStore
        yield* put("k", TokenSet.make({ accessToken: "a", expiresIn: "1 hour" }).obtained(0), undefined)
        assert.isTrue(Option.isSome(yield* load("k")))
      }).pipe(Effect.provide(Layer.provide(store, given({ TABLE: "vault" }))))
      assert.deepStrictEqual(yield* rows, [{ key: "k" }])
    })
  )

  it.scoped("of a remote provider takes all, and refuses what cannot be", () =>
    Effect.gen(function* () {
      const remote = RemoteTokenProvider.layerConfig({
        url: Config.string("URL"),
        apiKey: Config.redacted("API_KEY"),
        key: Config.string("CONNECTION")
      }).pipe(Layer.provide(FetchHttpClient.layer))
      const entries = { URL: "https://tokens.example.com", API_KEY: "evk_1", CONNECTION: "mine" }
      const { key } = yield* Effect.provide(TokenProvider, Layer.provide(remote, given(entries)))
      assert.strictEqual(key, "mine")
      const plain = { ...entries, URL: "http://tokens.example.com" }
      assert.include(yield* told(Layer.provide(remote, given(plain))), "url")
      const { API_KEY: _, ...rest } = entries
      assert.include(yield* told(Layer.provide(remote, given(rest))), "API_KEY")
    })
  )
})
