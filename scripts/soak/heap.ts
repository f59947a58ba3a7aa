/**
 * Looks for what a process keeps of refreshes that are over: a service's providers beside a worker's on one store, which
 * contend for hundreds of keys. The heap after garbage collection, with nobody asking, has to stay where it was, and keys
 * that nobody uses have to go: `npm run soak:heap -- --refreshes N`.
 */
import { parseArgs } from "node:util"
import { RefreshPolicy, TokenProviders, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Exit, Random, Scope } from "effect"

const { values } = parseArgs({
  options: { refreshes: { type: "string", default: "50000" }, keys: { type: "string", default: "300" } }
})
const most = Number(values.refreshes)
const keys = Array.from({ length: Number(values.keys) }, (_, at) => `tenant-${at}`)
/** What a refresh may leave behind, in bytes; a waiter that is kept costs 3,000. And what two collections differ by. */
const ALLOWED = 100
const NOISE = 3_000_000

let posts = 0
const refresh = Effect.suspend(() => {
  posts++
  const tokens = TokenSet.make({ accessToken: `at-${posts}`, refreshToken: `rt-${posts}`, expiresIn: "2 seconds" })
  return Effect.flatMap(Random.nextIntBetween(50, 300), (millis) => Effect.delay(Effect.succeed(tokens), millis))
})
const source = TokenSource.make({ refresh: () => refresh })
const options = { source: () => source, idle: "5 seconds", policy: RefreshPolicy.make() } as const

/** Asks for all keys, again and again, until it is interrupted. */
const asking = (service: TokenProviders["Type"]) =>
  Effect.forEach(
    keys,
    (key) =>
      Effect.ignore(service.get(key)).pipe(
        Effect.zipRight(Effect.flatMap(Random.nextIntBetween(300, 900), (millis) => Effect.sleep(millis))),
        Effect.forever
      ),
    { concurrency: "unbounded", discard: true }
  )

const heap = Effect.gen(function* () {
  yield* Effect.sleep("1 second")
  for (let times = 0; times < 3; times++) {
    globalThis.gc?.()
    yield* Effect.sleep("50 millis")
  }
  return process.memoryUsage().heapUsed
})

const soak = Effect.gen(function* () {
  const store = yield* TokenStore
  for (const key of keys)
    yield* store.put(key, TokenSet.make({ accessToken: "at", refreshToken: "rt", expiresIn: "2 seconds" }), 0)
  const service = yield* TokenProviders.make(options)
  const others = yield* TokenProviders.make(options)
  const working = yield* Scope.make()
  const { summary } = yield* TokenWorker.beside({ every: "50 millis" }).pipe(
    Effect.provideService(TokenProviders, others),
    Scope.extend(working)
  )
  const samples: Array<{ readonly posts: number; readonly heap: number }> = []
  for (let at = 0; at <= 10; at++) {
    yield* Effect.raceFirst(
      asking(service),
      Effect.repeat(Effect.sleep("100 millis"), { until: () => posts >= (at * most) / 10 })
    )
    samples.push({ heap: yield* heap, posts })
    console.error(`${posts} refreshes, heap ${mega(samples.at(-1)?.heap ?? 0)}`)
  }
  const done = yield* summary
  yield* Scope.close(working, Exit.void)
  yield* Effect.sleep("15 seconds")
  return { done, samples, left: [yield* service.size, yield* others.size] }
}).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))

const mega = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`

const { done, left, samples } = await Effect.runPromise(soak)
// The least of several, since one collection leaves more than another; what warms up at first is none of it.
const least = (from: number, to: number) => Math.min(...samples.slice(from, to).map(({ heap }) => heap))
const refreshes = ((samples[10]?.posts ?? 0) - (samples[3]?.posts ?? 0)) / 2
const grown = least(7, 11) - least(3, 7)
console.log(`Heap soak: ${keys.length} keys of 2 s tokens, a service's providers and a worker's on one store

refreshes               ${posts}; the worker renewed ${done.renewed}, found renewed ${done.adopted}
heap after collection   ${samples.map(({ heap }) => mega(heap)).join(", ")}
grown                   ${mega(grown)} from one half to the next, ${refreshes} refreshes apart (at most ${mega(NOISE + ALLOWED * refreshes)})
keys in memory after    ${left.join(" and ")} (none)`)
const clean = grown < NOISE + ALLOWED * refreshes && left.every((size) => size === 0)
console.log(clean ? "\nclean" : "\nNOT CLEAN")
process.exit(clean ? 0 : 1)
