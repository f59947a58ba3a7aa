// How much heap one process takes for each key that is live in it: node --expose-gc --conditions=@evertoken/source --import tsx benchmarks/heap.ts
// Node has to be started with --expose-gc.
import { randomBytes } from "node:crypto"
import { TokenProviders, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

const keys = Number(process.argv[2] ?? 100_000)

const heap = () => {
  for (let times = 0; times < 4; times++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Forgets what it is given, so that only the engine's own memory is counted. */
const nowhere = Effect.map(MemoryTokenStore.backend(), (backend) =>
  TokenStore.make({
    ...backend,
    load: () => Effect.succeed({ now: Date.now(), row: undefined }),
    put: () => Effect.succeed(true)
  })
)

const program = Effect.gen(function* () {
  const source = yield* TokenSource.make({ refresh: () => Effect.never })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const tokens = yield* TokenProviders.make({ source: () => Effect.succeed(source) })
      const names = Array.from({ length: keys }, (_, at) => `tenant-${at}/app`)
      const random = (length: number) => randomBytes(length).toString("base64url")
      const secrets = names.map(() => [random(30), random(30)] as const)
      const before = heap()
      for (const [at, name] of names.entries()) {
        const provider = yield* tokens.of(name)
        const [accessToken, refreshToken] = secrets[at] ?? ["", ""]
        yield* provider.put(TokenSet.make({ accessToken, refreshToken, expiresIn: "1 day", scopes: ["read", "write"] }))
      }
      const after = heap()
      console.log(`${keys} keys: ${Math.round((after - before) / keys)} bytes of heap each`)
      const start = performance.now()
      for (const name of names) yield* tokens.get(name)
      console.log(`get: ${Math.round(((performance.now() - start) / keys) * 1e6)} ns each`)
      console.log(`timers: ${process.getActiveResourcesInfo().filter((name) => name === "Timeout").length}`)
    })
  )
}).pipe(Effect.provideServiceEffect(TokenStore, nowhere))

await Effect.runPromise(program)
