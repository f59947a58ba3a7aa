import { randomBytes } from "node:crypto"
import { TokenProviders, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"
import type { Row } from "./measure.js"

const KEYS = 100_000

/** Node has to be started with --expose-gc. */
const used = () => {
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

/** How much heap one process takes for each key that is live in it. */
export const heap: Effect.Effect<Row> = Effect.gen(function* () {
  const source = yield* TokenSource.make({ refresh: () => Effect.never })
  const tokens = yield* TokenProviders.make({ source: () => Effect.succeed(source) })
  const names = Array.from({ length: KEYS }, (_, at) => `tenant-${at}/app`)
  const random = (length: number) => randomBytes(length).toString("base64url")
  const secrets = names.map(() => [random(30), random(30)] as const)
  const before = used()
  for (const [at, name] of names.entries()) {
    const provider = yield* tokens.of(name)
    const [accessToken, refreshToken] = secrets[at] ?? ["", ""]
    yield* provider.put(TokenSet.make({ accessToken, refreshToken, expiresIn: "1 day", scopes: ["read", "write"] }))
  }
  const each = (used() - before) / KEYS
  return {
    what: "100,000 keys live in one process, heap each",
    wall: `${Math.round(each)} bytes`,
    budget: "≤ 2048 bytes",
    kept: each <= 2_048
  }
}).pipe(Effect.scoped, Effect.orDie, Effect.provideServiceEffect(TokenStore, nowhere))
