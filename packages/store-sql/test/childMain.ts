/** A process of its own that shares a store: it does what it is told on stdin, a line of JSON each, and tells on stdout. */
import { createInterface } from "node:readline"
import { FetchHttpClient } from "@effect/platform"
import type { SqlClient } from "@effect/sql"
import { MysqlClient } from "@effect/sql-mysql2"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { OAuth2, RefreshPolicy, TokenProvider, TokenSource } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Deferred, Effect, Layer, Redacted, Schema, Stream } from "effect"

const Settings = Schema.parseJson(
  Schema.Struct({
    url: Schema.String,
    table: Schema.String,
    key: Schema.String,
    tokenEndpoint: Schema.String,
    lease: Schema.Number,
    replay: Schema.Literal("once", "never"),
    replayWindow: Schema.Number,
    /** Where to wait for `go`: before the request, or between its answer and the commit. */
    stop: Schema.Literal("nowhere", "before", "after")
  })
)

const Order = Schema.parseJson(
  Schema.Struct({
    do: Schema.Literal("get", "refresh", "go"),
    /** How many callers ask at once. */
    callers: Schema.optional(Schema.Number),
    /** How many times, one after the other; the last is told. */
    turns: Schema.optional(Schema.Number)
  })
)

const client = (url: string): Layer.Layer<SqlClient.SqlClient, unknown> => {
  if (url.startsWith("file:")) return SqliteClient.layer({ filename: url.slice("file:".length) })
  if (url.startsWith("postgres")) return PgClient.layer({ url: Redacted.make(url) })
  return MysqlClient.layer({ url: Redacted.make(url) })
}

const say = (what: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(what)}\n`))

const main = Effect.gen(function* () {
  const settings = yield* Schema.decodeUnknown(Settings)(process.argv[2])
  const { key, lease, replay, replayWindow, stop, tokenEndpoint } = settings
  const gone = yield* Deferred.make<void>()
  const stopAt = (where: typeof stop) =>
    stop === where ? Effect.zipRight(say({ at: where }), Deferred.await(gone)) : Effect.void

  const made = OAuth2.refreshToken({
    tokenEndpoint,
    clientId: "app",
    clientSecret: Redacted.make("app-secret"),
    replay,
    replayWindow: `${replayWindow} millis`
  })
  const source = Effect.flatMap(made, ({ refresh, ...rest }) =>
    Effect.succeed<TokenSource>({
      ...rest,
      refresh: (tokens) =>
        stopAt("before").pipe(
          Effect.zipRight(refresh === undefined ? Effect.dieMessage("no refresh") : refresh(tokens)),
          Effect.tap(stopAt("after"))
        )
    })
  )
  const policy = RefreshPolicy.make({ lease: `${lease} millis`, timeout: "1 minute", wait: "1 minute" })
  const provider = yield* TokenProvider.make({ key, source, policy })
  const orders = Stream.fromAsyncIterable(createInterface(process.stdin), (error) => error)
  yield* say({ ready: process.pid })
  yield* Stream.runForEach(orders, (line) =>
    Effect.gen(function* () {
      const order = yield* Schema.decodeUnknown(Order)(line)
      if (order.do === "go") {
        yield* Deferred.succeed(gone, undefined)
        return
      }
      const token = order.do === "get" ? provider.get : provider.refresh
      const all = Effect.all(
        Array.from({ length: order.callers ?? 1 }, () => token),
        { concurrency: "unbounded" }
      )
      const turns = Effect.zipRight(Effect.repeatN(all, (order.turns ?? 1) - 1), all)
      const told = Effect.matchEffect(order.turns === undefined ? all : turns, {
        onSuccess: (tokens) =>
          say({
            generations: tokens.map(({ generation }) => generation),
            value: [...new Set(tokens.map(({ value }) => Redacted.value(value)))]
          }),
        onFailure: (error) => say({ error: error._tag, reason: "reason" in error ? error.reason : undefined })
      })
      yield* Effect.forkScoped(told)
    })
  )
})

const settings = Schema.decodeUnknownSync(Settings)(process.argv[2])
const store = SqlTokenStore.layer({ encryption: "off", table: settings.table })
Effect.runPromise(
  main.pipe(Effect.scoped, Effect.provide([Layer.provide(store, client(settings.url)), FetchHttpClient.layer]))
).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stdout.write(`${JSON.stringify({ broken: String(error) })}\n`)
    process.exit(1)
  }
)
