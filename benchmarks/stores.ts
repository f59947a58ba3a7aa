import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Redacted, Stream } from "effect"
import { embeddedPostgres } from "../packages/store-sql/test/EmbeddedPostgres.js"
import { inTurn, quantile, type Row, within } from "./measure.js"

const COMMITS = 1_000
const [FEW, MANY] = [1_000, 1_000_000]
const CLAIM = 32
const TABLE = "evertoken_bench"

const wallClock = () => performance.timeOrigin + performance.now()

/** How long after a commit on PostgreSQL another process has the new token in its memory: the slowest of a hundred, and the middle. */
const hints = (url: string) =>
  Effect.gen(function* () {
    const store = yield* SqlTokenStore.make({ encryption: "off", table: TABLE })
    const put = (at: number) => store.put("k", TokenSet.make({ accessToken: `${at}`, expiresIn: "1 hour" }), undefined)
    yield* put(-1)
    const child: ChildProcess = fork(fileURLToPath(import.meta.url), [url])
    yield* Effect.addFinalizer(() => Effect.sync(() => child.kill()))
    yield* Effect.promise(() => once(child, "message"))
    const millis: Array<number> = []
    for (let at = 0; at < COMMITS; at++) {
      const seen = once(child, "message")
      yield* put(at)
      const committed = wallClock()
      const [{ token, seenAt }] = yield* Effect.promise(() => seen)
      if (token !== `${at}`) return yield* Effect.dieMessage(`saw ${token} after ${at}`)
      millis.push(seenAt - committed)
    }
    const [middle, slowest] = [quantile(millis, 0.5), quantile(millis, 0.99)]
    const row: Row = {
      what: `another process has the new token after a commit on PostgreSQL, p99 (median ${middle.toFixed(1)} ms)`,
      wall: `${slowest.toFixed(1)} ms`,
      budget: "≤ 50 ms",
      kept: slowest <= 50
    }
    return row
  }).pipe(Effect.scoped, Effect.provide(PgClient.layer({ url: Redacted.make(url) })))

/** The other process: tells of each token as soon as it has it. */
const follow = (url: string) =>
  Effect.gen(function* () {
    const provider = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login: Effect.never }) })
    yield* Stream.runForEach(provider.changes, ({ value }) =>
      Effect.sync(() => process.send?.({ token: Redacted.value(value), seenAt: wallClock() }))
    )
  }).pipe(
    Effect.scoped,
    Effect.provideServiceEffect(TokenStore, SqlTokenStore.make({ encryption: "off", table: TABLE })),
    Effect.scoped,
    Effect.provide(PgClient.layer({ url: Redacted.make(url) }))
  )

/** A worker's claim where the table has a million rows against one where it has a thousand; as many are due in both. */
const claims = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const claimFrom = Effect.fnUntraced(function* (rows: number) {
      const table = `${TABLE}_${rows}`
      yield* SqlTokenStore.migrate({ table })
      yield* sql`INSERT INTO ${sql(table)} (key, generation, payload, due_at)
        SELECT 'key ' || n, n, repeat('x', 1000),
          (extract(epoch FROM now()) * 1000)::bigint + CASE WHEN n <= 500 THEN -n ELSE 86400000 + n END
        FROM generate_series(1, ${rows}::int) AS n`
      yield* sql`ANALYZE ${sql(table)}`
      const { due } = yield* SqlTokenStore.backend({ table })
      return Effect.flatMap(due({ limit: CLAIM, lasts: 0 }), (claimed) =>
        claimed.length === CLAIM ? Effect.void : Effect.dieMessage(`claimed ${claimed.length}`)
      )
    })
    const [few, many] = [yield* claimFrom(FEW), yield* claimFrom(MANY)]
    const run = (claim: typeof few) => () => Effect.runPromise(Effect.repeatN(claim, 4))
    const times = yield* Effect.promise(() => inTurn({ many: run(many), few: run(few) }, 41))
    return within("a worker's claim at 1,000,000 rows / at 1,000", times.many, times.few, 2, "elsewhere")
  }).pipe(Effect.scoped, Effect.provide(PgClient.layer({ url: Redacted.make(url) })))

/** The figures that need a database: PostgreSQL, out of an npm package or at `EVERTOKEN_TEST_POSTGRES_URL`. */
export const stores = Effect.gen(function* () {
  const given = process.env.EVERTOKEN_TEST_POSTGRES_URL
  const url = given === undefined || given === "" ? yield* embeddedPostgres : given
  const drop = (table: string) => (sql: SqlClient.SqlClient) =>
    Effect.forEach(["", "_mark", "_migrations"], (part) => sql`DROP TABLE IF EXISTS ${sql(`${table}${part}`)}`)
  const sweep = Effect.forEach([TABLE, `${TABLE}_${FEW}`, `${TABLE}_${MANY}`], (table) =>
    Effect.flatMap(SqlClient.SqlClient, drop(table))
  ).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })), Effect.ignore)
  yield* Effect.addFinalizer(() => sweep)
  return [yield* hints(url), yield* claims(url)]
}).pipe(Effect.scoped, Effect.orDie)

const [, , url] = process.argv
if (process.send !== undefined && url !== undefined) await Effect.runPromise(follow(url))
