import { randomUUID } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import {
  RefreshPolicy,
  TokenEndpointError,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStore,
  TokenStoreError
} from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Redacted, Schedule, Stream } from "effect"
import { onEach, postgres } from "./Database.js"

onEach(
  (name) => `a database that is not in UTF-8, on ${name}`,
  (setting) => {
    const inEncoding = (encoding: string) =>
      Effect.gen(function* () {
        const name = `encoded_${randomUUID().replaceAll("-", "")}`
        const sql = yield* Effect.provide(SqlClient.SqlClient, yield* Layer.build(setting().connect()))
        yield* Effect.acquireRelease(
          sql.unsafe(`CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`),
          () => Effect.ignore(sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
        )
        const url = new URL(setting().url)
        url.pathname = `/${name}`
        const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url.href) }))
        const own = yield* Effect.provide(SqlClient.SqlClient, client)
        return { sql: own, store: yield* Effect.provide(SqlTokenStore.make({ encryption: "off" }), client) }
      })

    it.scopedLive("LATIN1: refuses a key that it cannot keep as a key, and keeps those that it can (P13)", () =>
      Effect.gen(function* () {
        const { store } = yield* inEncoding("LATIN1")
        const tokens = TokenSet.make({ accessToken: "at" })
        const asks = [Effect.asVoid(store.put("tenant 🔑", tokens, undefined)), Effect.asVoid(store.load("tenant 🔑"))]
        for (const ask of asks) {
          const error = yield* Effect.flip(ask)
          assert.instanceOf(error, TokenStoreError)
          assert.deepStrictEqual([error.reason, error.key], ["key", "tenant 🔑"])
        }
        yield* store.put("tenant é", tokens, undefined)
        yield* Effect.flatten(store.load("tenant é"))
      })
    )

    /** A connection whose endpoint answers once with words that the database has no characters for, and then as it should. */
    const failing = Effect.gen(function* () {
      const { sql, store } = yield* inEncoding("LATIN1")
      let posts = 0
      const refresh = Effect.suspend(() =>
        ++posts === 1
          ? new TokenEndpointError({ reason: "unavailable", detail: WORDS })
          : Effect.succeed(TokenSet.make({ accessToken: "at-2", refreshToken: "rt-2", expiresIn: "1 hour" }))
      )
      const policy = RefreshPolicy.make({ wait: "500 millis", retry: Schedule.spaced("1 second") })
      const provider = (key: string) =>
        TokenProvider.make({ key, source: TokenSource.make({ refresh: () => refresh }), policy }).pipe(
          Effect.provideService(TokenStore, store)
        )
      const put = (key: string) =>
        store.put(key, TokenSet.make({ accessToken: "at", refreshToken: "rt", expiresAt: 0 }), undefined)
      return { sql, store, provider, put, posts: () => posts }
    })
    const WORDS = "später wieder 🔑 の前"

    it.scopedLive("LATIN1: keeps what an endpoint said, whatever its characters, for every process (P3)", () =>
      Effect.gen(function* () {
        const { provider, put, store } = yield* failing
        yield* put("said")
        const error = yield* Effect.flip((yield* provider("said")).get)
        assert.include(error.message, WORDS)
        const record = yield* Effect.flatten(store.load("said"))
        assert.deepStrictEqual(
          [record.failures, record.failure?.detail, record.intentOwner, record.leaseOwner],
          [1, WORDS, undefined, undefined]
        )
      })
    )

    it.scopedLive(
      "a failure that cannot be noted is no doubt: the next attempt settles it, and replays nothing (P3, P4)",
      () =>
        Effect.gen(function* () {
          const { posts, provider, put, sql, store } = yield* failing
          yield* put("unnoted")
          // As if the database refused the text: it takes everything but notes of failures.
          yield* sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
          ${sql.literal("'BEGIN RAISE EXCEPTION USING ERRCODE = ''22P05''; END'")}`.unprepared
          yield* sql`CREATE TRIGGER refuse BEFORE UPDATE ON evertoken_tokens FOR EACH ROW
          WHEN (NEW.failures > OLD.failures) EXECUTE FUNCTION refuse()`.unprepared
          const unnoted = yield* provider("unnoted")
          const seen = yield* Effect.fork(
            Stream.runCollect(Stream.takeUntil(unnoted.events, ({ _tag }) => _tag === "Refreshed"))
          )
          yield* Effect.yieldNow()
          assert.include((yield* Effect.flip(unnoted.get)).message, WORDS)
          const open = yield* Effect.flatten(store.load("unnoted"))
          assert.deepStrictEqual([open.failures, open.failure], [0, undefined])
          assert.isDefined(open.intentOwner)
          const token = yield* Effect.retry(unnoted.get, Schedule.spaced("10 millis"))
          assert.strictEqual(Redacted.value(token.value), "at-2")
          assert.strictEqual(posts(), 2)
          const settled = yield* Effect.flatten(store.load("unnoted"))
          assert.deepStrictEqual([settled.intentOwner, settled.leaseOwner, settled.failures], [undefined, undefined, 0])
          const events = [...(yield* Fiber.join(seen))].map(({ _tag }) => _tag)
          assert.deepStrictEqual(
            events.filter((one) => one === "Replayed" || one === "InDoubt"),
            []
          )
        })
    )

    it.scopedLive("SQL_ASCII: keeps any key (P13)", () =>
      Effect.gen(function* () {
        const { store } = yield* inEncoding("SQL_ASCII")
        yield* store.put("tenant 🔑", TokenSet.make({ accessToken: "at" }), undefined)
        yield* Effect.flatten(store.load("tenant 🔑"))
      })
    )
  },
  [postgres]
)
