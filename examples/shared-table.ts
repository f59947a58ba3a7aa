// Replaces a Python table, worker and service that share one token among processes: the service read the table, the worker
// refreshed what was about to end and logged in where a refresh was refused. `Table` is the table, sealed; `worker` is
// the worker; `Service` is what each process has. Whoever comes first asks, and all others read what that brought.
import { FetchHttpClient } from "@effect/platform"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Expiry, TokenCipher, TokenEndpoint, TokenProvider, TokenWorker } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Config, Effect, Layer } from "effect"

// The login answers 201 and { accessToken, refreshToken, expiresIn }, the refresh the same with 200.
const Source = Effect.gen(function* () {
  const url = yield* Config.string("ROBOT_URL")
  return yield* TokenEndpoint.make({
    login: {
      url: `${url}/login`,
      json: { userName: "robot", password: yield* Config.redacted("ROBOT_PASSWORD") }
    },
    refresh: { url: `${url}/refresh`, json: { refreshToken: TokenEndpoint.refreshToken } },
    fields: { accessToken: "accessToken", refreshToken: "refreshToken" },
    expiry: Expiry.seconds("expiresIn"),
    errors: { "401": "refused" } // of a refresh: log in; of a login: the password is wrong
  })
})

// The keys that seal it are in EVERTOKEN_KEYS.
export const Table = SqlTokenStore.layer({ encryption: TokenCipher.config() }).pipe(
  Layer.provide(SqliteClient.layerConfig({ filename: Config.string("TOKEN_FILE") }))
)

// In each process of the service.
export const Service = TokenProvider.layer({ key: "robot", source: Source }).pipe(
  Layer.provide([Table, FetchHttpClient.layer])
)

// In a cron job. `TokenWorker.layer` takes the same options, and goes on for as long as its process lives.
export const worker = TokenWorker.runOnce({ source: () => Source }).pipe(Effect.provide([Table, FetchHttpClient.layer]))
