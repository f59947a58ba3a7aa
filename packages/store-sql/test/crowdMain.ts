/** One of a crowd of processes on one SQLite file: it refreshes some of many keys when it is told to, and counts meanwhile. */
import { once } from "node:events"
import { createRequire } from "node:module"
import { FetchHttpClient } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { OAuth2, RefreshPolicy, type TokenProvider, TokenProviders } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Exit, Layer, Metric, MetricState, Redacted, Runtime, Schema } from "effect"

const Settings = Schema.parseJson(
  Schema.Struct({
    file: Schema.String,
    table: Schema.String,
    tokenEndpoint: Schema.String,
    keys: Schema.Array(Schema.String),
    /** Which of the keys it refreshes, one after the other in each of several lines. */
    lines: Schema.Array(Schema.Array(Schema.String))
  })
)

/** What a process of the crowd has counted. */
export interface Counted {
  readonly refreshed: number
  readonly failed: ReadonlyArray<string>
  /** How often the file was locked by another process, and how many statements failed for good. */
  readonly busy: number
  readonly errors: number
  /** Milliseconds for which the driver may stop the process when it is. */
  readonly patience: number
  readonly fresh: { readonly gets: number; readonly waited: number; readonly statements: number }
}

let statements = 0
let busy = 0
interface Driver {
  prepare(source: string): object
}

/** Counts what is asked of the file, and how often it was locked, beneath everything that is under test. */
const driver: { readonly prototype: Driver } = createRequire(process.argv[1] ?? "")("better-sqlite3")
const { prepare } = driver.prototype
driver.prototype.prepare = function (source) {
  return new Proxy(prepare.call(this, source), {
    get: (statement, name) => {
      const member: unknown = Reflect.get(statement, name)
      if (typeof member !== "function") return member
      return (...args: ReadonlyArray<unknown>) => {
        if (name === "all" || name === "run") statements++
        try {
          return Reflect.apply(member, statement, args)
        } catch (error) {
          if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY")) busy++
          throw error
        }
      }
    }
  })
}

const main = Effect.gen(function* () {
  const { keys, lines, tokenEndpoint } = yield* Schema.decodeUnknown(Settings)(process.argv[2])
  const clientSecret = Redacted.make("app-secret")
  const source = yield* OAuth2.refreshToken({ tokenEndpoint, clientId: "app", clientSecret })
  // Long enough for the one server that all of them ask, on a machine that has little time for it.
  const policy = RefreshPolicy.make({ lease: "30 seconds", timeout: "1 minute", wait: "2 minutes" })
  const providers = yield* TokenProviders.make({ source: () => Effect.succeed(source), policy })
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(keys, providers.get, { concurrency: 10, discard: true })
  process.stdout.write("ready\n")
  yield* Effect.promise(() => once(process.stdin, "data"))

  const run = Runtime.runSyncExit(yield* Effect.runtime<never>())
  const fresh = { gets: 0, waited: 0, statements: 0 }
  // All are fresh for an hour, also those that are being refreshed: each is handed out before anything else runs.
  const asking = Effect.sync(() => {
    const before = statements
    for (const key of keys) if (Exit.isFailure(run(providers.get(key)))) fresh.waited++
    fresh.gets += keys.length
    fresh.statements += statements - before
  })
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(asking, Effect.sleep("100 millis"))))

  const failed: Array<string> = []
  let refreshed = 0
  const refresh = (key: string) =>
    Effect.flatMap(providers.of(key), (provider: TokenProvider["Type"]) => provider.refresh).pipe(
      Effect.match({
        onSuccess: () => refreshed++,
        onFailure: (error) => failed.push(`${key}: ${error._tag} ${error.message}`)
      })
    )
  yield* Effect.forEach(lines, (line) => Effect.forEach(line, refresh, { discard: true }), { concurrency: "unbounded" })
  const [pragma] = yield* sql<{ timeout: number }>`PRAGMA busy_timeout`.unprepared
  const metrics = yield* Metric.snapshot
  const told = metrics.find(({ metricKey }) => metricKey.name === "evertoken_store_errors")
  const errors =
    told !== undefined && MetricState.isCounterState(told.metricState) ? Number(told.metricState.count) : -1
  const counted: Counted = { refreshed, failed, busy, errors, patience: pragma?.timeout ?? -1, fresh }
  process.stdout.write(`${JSON.stringify(counted)}\n`)
})

const { file, table } = Schema.decodeUnknownSync(Settings)(process.argv[2])
const Store = Layer.provideMerge(
  SqlTokenStore.layer({ encryption: "off", table }),
  SqliteClient.layer({ filename: file })
)
Effect.runPromise(main.pipe(Effect.scoped, Effect.provide([Store, FetchHttpClient.layer]))).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  }
)
