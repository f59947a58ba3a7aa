// A table, a worker, a service, a consumer: it was Python on PostgreSQL. `Table` is the table, sealed; `worker` is the worker,
// `cron` the same as a cron job; `Service` gives the newest token, and its `get` is the consumer, which waits where it has to.
import { join } from "node:path"
import { FetchHttpClient } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Expiry, RefreshPolicy, TokenEndpoint, TokenProvider, TokenSet, TokenStore, TokenWorker } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Clock, Config, Effect, Fiber, Layer } from "effect"
import { robot, startBackend } from "../far-sides/backend.js"
import { count } from "../far-sides/FarSide.js"
import { startProcess, temporaryFolder } from "../far-sides/machine.js"
import { telling } from "./Telling.js"

// What else an answer says, for who needs it, in `token.extra`. Its secrets have their own places.
const answered = (part: string, ...fields: ReadonlyArray<string>) => fields.map((field) => `${part}.${field}`)

// Both answer 201 with `authorization` and `refresh`; a refresh that is refused means a login.
export const Source = Effect.gen(function* () {
  const url = yield* Config.string("BACKEND_URL")
  const headers = { "Subscription-Key": yield* Config.redacted("SUBSCRIPTION_KEY") }
  const json = { username: yield* Config.string("ROBOT_NAME"), password: yield* Config.redacted("ROBOT_PASSWORD") }
  return yield* TokenEndpoint.make({
    login: { url: `${url}/login`, headers, json },
    refresh: { url: `${url}/refresh`, headers, json: { token: TokenEndpoint.refreshToken } },
    fields: { accessToken: "authorization.token", tokenType: "authorization.type", refreshToken: "refresh.token" },
    expiry: Expiry.seconds("authorization.expiresIn"),
    refreshExpiry: Expiry.seconds("refresh.expiresIn"),
    keep: [...answered("authorization", "notBefore", "expiresAt", "note"), ...answered("refresh", "expiresAt", "note")],
    errors: { "401": "refused" }
  })
})

// With one hour left. A worker that is killed costs the others three seconds.
export const policy = RefreshPolicy.make({ ahead: RefreshPolicy.beforeExpiry("1 hour"), lease: "3 seconds" })
type Sql = Layer.Layer<SqlClient.SqlClient, unknown>
const Sqlite: Sql = SqliteClient.layerConfig({ filename: Config.string("TOKEN_FILE") })
const Postgres: Sql = PgClient.layerConfig({ url: Config.redacted("DATABASE_URL") })
const Database = Layer.unwrapEffect(
  Effect.isSuccess(Config.string("DATABASE_URL")).pipe(Effect.map((pg) => (pg ? Postgres : Sqlite)))
)
const Store = SqlTokenStore.layer({ encryption: TokenCipher.config(), table: "evertoken_story" })
const Table = Layer.merge(Layer.provide(Store, Database), FetchHttpClient.layer)
const Service = Layer.provide(TokenProvider.layer({ key: "robot", source: Source, policy }), Table)

/** Looks every half hour, for as long as its process lives; `cron` looks once. */
export const worker = TokenWorker.layer({ source: () => Source, policy, every: "30 minutes" }).pipe(
  Layer.launch,
  Effect.provide(Table)
)
export const cron = Effect.provide(TokenWorker.runOnce({ source: () => Source, policy }), Table)

export const story = Effect.gen(function* () {
  const far = yield* startBackend
  const TOKEN_FILE = join(yield* temporaryFolder, "tokens.db")
  const settings = { ...robot, BACKEND_URL: far.url, TOKEN_FILE, EVERTOKEN_KEYS: `story=${"A".repeat(43)}` }
  const { check, end, scene } = yield* telling(far.log, { ...process.env, ...settings })
  const asked = (what: string) => count(far.log, `POST /${what}`)
  const consumer = Effect.flatMap(TokenProvider, ({ get }) => get).pipe(Effect.provide(Service))
  /** Into the table, as if they had been got so many hours ago: due with one hour left. */
  const aged = (hours: number) =>
    Effect.flatMap(Effect.all([TokenStore, Clock.currentTimeMillis]), ([{ put }, now]) => {
      const tokens = { ...far.session(), obtainedAt: now - hours * HOUR, expiresAt: now + (12 - hours) * HOUR }
      return put("robot", TokenSet.make(tokens), Math.max(0, (11 - hours) * HOUR))
    }).pipe(Effect.provide(Table))

  yield* scene("1  There is no token: five consumers of five services wait for one login.")
  yield* Effect.provide(
    Effect.flatMap(TokenStore, ({ remove }) => remove("robot")),
    Table
  )
  const five = yield* Effect.all(
    Array.from({ length: 5 }, () => consumer),
    { concurrency: "unbounded" }
  )
  check("1  logins for five consumers", 1, asked("login"))
  check("   consumers that have the rest of the answer", 5, five.filter(({ extra }) => "refresh.note" in extra).length)

  yield* scene("2  Workers of two time zones: nothing to do with two hours left, one refresh with less than one.")
  yield* aged(9.8)
  yield* cron
  check("2  refreshes more than an hour before the end", 0, asked("refresh"))
  yield* aged(11.02)
  const both = ["Asia/Tokyo", "America/New_York"].map((TZ) => startProcess(["4", "cron"], { ...settings, TZ }))
  yield* Effect.all((yield* Effect.all(both)).map(({ ended }) => ended))
  check("   refreshes by two workers", 1, asked("refresh"))

  yield* scene("3  The token has ended; the worker that refreshes it is killed (kill -9); a consumer waits for it.")
  yield* aged(12.5)
  const release = far.hold()
  const killed = yield* startProcess(["4", "worker"], settings)
  yield* far.held
  const waiting = yield* Effect.fork(consumer)
  killed.kill()
  yield* Fiber.join(waiting)
  check("3  logins, so that the consumer has its token", 1, asked("login") - 1)
  release()

  yield* scene("4  The refresh token is refused: that means a login.")
  yield* aged(11.02)
  far.endSessions()
  const { renewed } = yield* cron
  check("4  tokens that a worker renewed by a login", renewed, asked("login") - 2)
  yield* end
}).pipe(Effect.scoped)
const HOUR = 3_600_000
