// Watch processes share one token. Run it in two terminals, or more:
//
//   npm run -s example examples/shared-store.ts                                             one SQLite file, tokens.db
//   npm run -s example examples/shared-store.ts postgres://postgres@127.0.0.1:5432/test     one PostgreSQL
//
// The first one also runs an authorization server whose tokens live for ten seconds and whose refresh tokens work once.
// Each refresh is made by one of the processes; all the others have the new token at once. Stop one at any time, even
// with kill -9: the next refresh is made by another.
import { FetchHttpClient } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Authority, clients } from "@evertoken/authority"
import { OAuth2, RefreshPolicy, TokenProvider, TokenSet } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Config, Effect, Layer, Redacted, Stream } from "effect"

const PORT = 4455
const where = process.argv[2] ?? "tokens.db"

const Database: Layer.Layer<SqlClient.SqlClient, unknown> = where.startsWith("postgres")
  ? PgClient.layer({ url: Redacted.make(where) })
  : SqliteClient.layer({ filename: where })

// A real program sets EVERTOKEN_KEYS: id=key, 32 random bytes as base64url.
const keys = Config.withDefault(Config.redacted("EVERTOKEN_KEYS"), Redacted.make(`example=${"A".repeat(43)}`))
const Store = SqlTokenStore.layer({ encryption: TokenCipher.config(keys), table: "evertoken_example" })

/** The authorization server that another process runs, or else one in this process. */
const authority = Effect.gen(function* () {
  const issuer = `http://127.0.0.1:${PORT}`
  const there = yield* Effect.promise(() => fetch(issuer).then(Boolean, () => false))
  return there
    ? { server: Authority.connect(issuer), mine: false }
    : { server: yield* Authority.make({ port: PORT, lifetime: "10 seconds" }), mine: true }
})

const say = (text: string) =>
  Effect.sync(() => console.log(`${new Date().toISOString().slice(11, 23)}  process ${process.pid}  ${text}`))

const program = Effect.gen(function* () {
  const { mine, server } = yield* authority
  const provider = yield* TokenProvider.make({
    key: "alice",
    source: OAuth2.refreshToken({ ...clients.app, tokenEndpoint: server.tokenEndpoint }),
    policy: RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("3 seconds"), lease: "3 seconds" })
  })
  yield* Effect.forkScoped(
    Stream.runForEach(provider.events, (event) => {
      switch (event._tag) {
        case "Refreshed":
          return say(`asked the server: token ${event.generation}`)
        case "Adopted":
          return say(`found token ${event.generation}, which another process got`)
        default:
          return say(event._tag)
      }
    })
  )
  if (mine) {
    const { accessToken, expiresIn, refreshToken } = yield* server.mint()
    yield* say("runs the authorization server, and logs alice in")
    yield* provider.put(TokenSet.make({ accessToken, expiresIn, refreshToken }))
  }
  // What an app does: it asks for the token each time it needs one.
  yield* Effect.forever(Effect.delay(provider.get, "500 millis"))
})

program.pipe(Effect.scoped, Effect.provide([Layer.provide(Store, Database), FetchHttpClient.layer]), Effect.runPromise)
