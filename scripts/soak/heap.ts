/**
 * Looks for what a process keeps of refreshes that are over: a service's providers beside a worker's on one store, which
 * contend for hundreds of keys. The heap after garbage collection, with nothing in flight and all keys still in memory, has
 * to stay where it was, and keys that nobody uses have to go: `npm run soak:heap -- --refreshes N`.
 */
import { parseArgs } from "node:util"
import { RefreshPolicy, TokenProviders, TokenSet, TokenSource, TokenStore, TokenWorker } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Random } from "effect"

const { values } = parseArgs({
  options: { refreshes: { type: "string", default: "50000" }, keys: { type: "string", default: "300" } }
})
const most = Number(values.refreshes)
const keys = Array.from({ length: Number(values.keys) }, (_, at) => `tenant-${at}`)
/** What a refresh may leave behind, in bytes; a waiter that is kept costs 3,000. And what two collections differ by. */
const ALLOWED = 100
const NOISE = 3_000_000

let posts = 0
/** Requests under way. */
let open = 0
/** Whether tokens last, so that soon nothing is in flight, and all keys are in memory. */
let calm = false
const tokens = () =>
  TokenSet.make({
    accessToken: `at-${posts}`,
    refreshToken: `rt-${posts}`,
    expiresIn: calm ? "10 hours" : "2 seconds"
  })
const refresh = Effect.suspend(() => {
  posts++
  open++
  const answer = Effect.sync(() => {
    open--
    return tokens()
  })
  return Effect.flatMap(Random.nextIntBetween(10, 60), (millis) => Effect.delay(answer, millis))
})
const source = TokenSource.make({ refresh: () => refresh })
const options = { source: () => source, idle: "2 minutes", policy: RefreshPolicy.make() } as const

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

/** Waits until nothing is in flight: no request is under way, and none was made for longer than any takes. */
const quiet = Effect.gen(function* () {
  for (let before = -1; before !== posts || open > 0; ) {
    before = posts
    yield* Effect.sleep("3 seconds")
  }
})

const heap = Effect.gen(function* () {
  for (let times = 0; times < 5; times++) {
    globalThis.gc?.()
    yield* Effect.sleep("50 millis")
  }
  return process.memoryUsage().heapUsed
})

const soak = Effect.gen(function* () {
  const store = yield* TokenStore
  const service = yield* TokenProviders.make(options)
  const others = yield* TokenProviders.make(options)
  const { summary } = yield* TokenWorker.beside({ every: "50 millis" }).pipe(
    Effect.provideService(TokenProviders, others)
  )
  const samples: Array<{ readonly posts: number; readonly heap: number }> = []
  for (let at = 1; at <= 10; at++) {
    calm = false
    for (const key of keys) yield* store.put(key, tokens(), 0)
    yield* Effect.raceFirst(
      asking(service),
      Effect.repeat(Effect.sleep("100 millis"), { until: () => posts >= (at * most) / 10 })
    )
    calm = true
    yield* quiet
    samples.push({ heap: yield* heap, posts })
    console.error(
      `${posts} refreshes, ${yield* service.size} and ${yield* others.size} keys, heap ${mega(samples.at(-1)?.heap ?? 0)}`
    )
  }
  yield* Effect.sleep("3 minutes")
  return { done: yield* summary, samples, left: [yield* service.size, yield* others.size] }
}).pipe(Effect.scoped, Effect.provide(MemoryTokenStore.layer))

const mega = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`

const { done, left, samples } = await Effect.runPromise(soak)
// The least of several, since one collection leaves more than another; what warms up at first is none of it.
const least = (from: number, to: number) => Math.min(...samples.slice(from, to).map(({ heap }) => heap))
const refreshes = ((samples[9]?.posts ?? 0) - (samples[1]?.posts ?? 0)) / 2
const grown = least(6, 10) - least(2, 6)
console.log(`Heap soak: ${keys.length} keys of 2 s tokens, a service's providers and a worker's on one store

refreshes               ${posts}; the worker renewed ${done.renewed}, found renewed ${done.adopted}
heap after collection   ${samples.map(({ heap }) => mega(heap)).join(", ")}
grown                   ${mega(grown)} from one half to the next, ${refreshes} refreshes apart (at most ${mega(NOISE + ALLOWED * refreshes)})
keys in memory after    ${left.join(" and ")} (none)`)
const clean = grown < NOISE + ALLOWED * refreshes && left.every((size) => size === 0)
console.log(clean ? "\nclean" : "\nNOT CLEAN")
process.exit(clean ? 0 : 1)
