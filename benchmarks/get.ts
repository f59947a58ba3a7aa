import { TokenProvider, TokenSet, TokenSource } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Deferred, Effect, Exit } from "effect"
import { inTurn, type Row, within } from "./measure.js"

const CALLS = 200_000
const WAITERS = 10_000

const tokens = TokenSet.make({ accessToken: "token", expiresIn: "1 hour" })
const provider = TokenProvider.make({ key: "k", source: TokenSource.make({ login: Effect.succeed(tokens) }) })

/** `get` while fresh, inside a fiber, against a bare suspend of a ready exit. */
export const fresh: Effect.Effect<Row> = Effect.gen(function* () {
  const { get } = yield* provider
  const ready = Exit.succeed(yield* get)
  const bare = Effect.suspend(() => ready)
  const many = (effect: Effect.Effect<unknown, unknown>) => {
    let calls = 0
    return Effect.whileLoop({ while: () => calls++ < CALLS, body: () => effect, step: () => {} })
  }
  const runtime = yield* Effect.runtime()
  const run = (effect: Effect.Effect<unknown, unknown>) => () =>
    Effect.runPromise(Effect.provide(many(effect), runtime))
  const times = yield* Effect.promise(() => inTurn({ get: run(get), bare: run(bare) }, 31))
  return within("get while fresh / a bare suspend of a ready exit", times.get, times.bare, 1.2)
}).pipe(Effect.scoped, Effect.orDie, Effect.provide(MemoryTokenStore.layer))

/** 10,000 fibers arriving at an expired token against the same fibers waiting on a bare Deferred. */
export const waiting: Effect.Effect<Row> = Effect.gen(function* () {
  const fork = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.all(
      Array.from({ length: WAITERS }, () => effect),
      { concurrency: "unbounded", discard: true }
    )
  const expired = Effect.gen(function* () {
    let posts = 0
    const login = Effect.delay(
      Effect.sync(() => {
        posts++
        return tokens
      }),
      "5 millis"
    )
    const { get } = yield* TokenProvider.make({ key: "k", source: TokenSource.make({ login }) })
    yield* fork(get)
    if (posts !== 1) return yield* Effect.dieMessage(`${posts} requests`)
  }).pipe(Effect.scoped, Effect.orDie, Effect.provide(MemoryTokenStore.layer))
  const bare = Effect.gen(function* () {
    const deferred = yield* Deferred.make<unknown>()
    yield* Effect.fork(Effect.delay(Deferred.succeed(deferred, tokens), "5 millis"))
    yield* fork(Deferred.await(deferred))
  })
  const times = yield* Effect.promise(() =>
    inTurn({ expired: () => Effect.runPromise(expired), bare: () => Effect.runPromise(bare) }, 15)
  )
  return within("10,000 fibers at an expired token (1 POST) / at a bare Deferred", times.expired, times.bare, 1.5)
})
