import { spawn } from "node:child_process"
import { once } from "node:events"
import { createRequire } from "node:module"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { assert, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { onEach, sqliteFile } from "./Database.js"

const HELD = 4_000

/** Another process that takes the lock of the whole file, and gives it back after `HELD` or when it ends. */
const locked = Effect.fnUntraced(function* (url: string) {
  const driver = JSON.stringify(createRequire(import.meta.url).resolve("better-sqlite3"))
  const program = `const db = require(${driver})(${JSON.stringify(url.slice("file:".length))})
    db.exec("BEGIN IMMEDIATE"); console.log("locked"); setTimeout(() => { db.exec("ROLLBACK"); db.close() }, ${HELD})`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const over = once(child, "exit")
  yield* Effect.promise(() => once(child.stdout, "data"))
  return { over: Effect.promise(() => over), held: () => child.exitCode === null }
})

onEach(
  (name) => `a file that another process has locked, on ${name}`,
  (setting) => {
    it.live(
      "never stops the process: fresh tokens are handed out, and what has to be written is once the lock is free (P6, P14)",
      () =>
        Effect.gen(function* () {
          const { connect, table, url } = setting()
          const context = yield* Layer.build(
            Layer.provide(SqlTokenStore.layer({ encryption: "off", table: table() }), connect())
          )
          const store = yield* Effect.provide(TokenStore, context)
          const provider = yield* Effect.provide(
            TokenProvider.make({ key: "fresh", source: TokenSource.make({ refresh: () => Effect.never }) }),
            context
          )
          yield* provider.put(TokenSet.make({ accessToken: "at", expiresIn: "1 hour" }))
          const lock = yield* locked(url)
          const delay = monitorEventLoopDelay({ resolution: 10 })
          delay.enable()
          const written = yield* Effect.fork(store.put("waits", TokenSet.make({ accessToken: "at" }), undefined))
          for (let at = 0; at < 20; at++) {
            yield* Effect.sleep("50 millis")
            assert.strictEqual(Redacted.value((yield* provider.get).value), "at")
          }
          assert.isTrue(lock.held())
          assert.isNull(written.unsafePoll())
          yield* lock.over
          yield* Fiber.join(written)
          yield* Effect.sleep("50 millis")
          delay.disable()
          assert.isBelow(delay.max / 1e6, HELD / 2)
        }).pipe(Effect.scoped),
      30_000
    )

    it.live(
      "lets tables be made once the lock is free, and the process goes on meanwhile (P6)",
      () =>
        Effect.gen(function* () {
          const { connect, table, url } = setting()
          const client = yield* Layer.build(connect())
          const lock = yield* locked(url)
          const delay = monitorEventLoopDelay({ resolution: 10 })
          delay.enable()
          yield* Effect.provide(SqlTokenStore.migrate({ table: table("later") }), client)
          yield* Effect.sleep("50 millis")
          delay.disable()
          yield* lock.over
          assert.isBelow(delay.max / 1e6, HELD / 2)
        }).pipe(Effect.scoped),
      30_000
    )
  },
  [sqliteFile]
)
