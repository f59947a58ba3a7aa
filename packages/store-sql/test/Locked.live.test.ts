import { monitorEventLoopDelay } from "node:perf_hooks"
import { assert, it } from "@effect/vitest"
import { TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { onEach, sqliteFile } from "./Database.js"
import { locked } from "./LockedFile.js"

/** How long the driver would stop the process for a lock, in milliseconds. */
const DRIVER_WAITS = 5_000

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
          assert.isNull(written.unsafePoll())
          yield* lock.free
          yield* Fiber.join(written)
          delay.disable()
          assert.isBelow(delay.max / 1e6, DRIVER_WAITS / 2)
        }).pipe(Effect.scoped)
    )

    it.live("lets tables be made once the lock is free, and the process goes on meanwhile (P6)", () =>
      Effect.gen(function* () {
        const { connect, table, url } = setting()
        const client = yield* Layer.build(connect())
        const lock = yield* locked(url)
        const delay = monitorEventLoopDelay({ resolution: 10 })
        delay.enable()
        const made = yield* Effect.fork(Effect.provide(SqlTokenStore.migrate({ table: table("later") }), client))
        yield* Effect.replicateEffect(Effect.sleep("50 millis"), 20)
        assert.isNull(made.unsafePoll())
        yield* lock.free
        yield* Fiber.join(made)
        delay.disable()
        assert.isBelow(delay.max / 1e6, DRIVER_WAITS / 2)
      }).pipe(Effect.scoped)
    )
  },
  [sqliteFile]
)
