import type { TokenStoreBackend } from "@evertoken/core/store"
import type { StoreUnderTest } from "@evertoken/core/testing"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect } from "effect"

/** A store whose clock can be set. */
export const store: Effect.Effect<StoreUnderTest> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const backend = yield* MemoryTokenStore.backend()
  let behind = 0
  const wall = () => clock.unsafeCurrentTimeMillis() - behind
  const set: Clock.Clock = { ...Clock.make(), unsafeCurrentTimeMillis: wall, currentTimeMillis: Effect.sync(wall) }
  const ask =
    <A extends ReadonlyArray<unknown>, B>(operation: (...args: A) => Effect.Effect<B, unknown>) =>
    (...args: A) =>
      Effect.withClock(operation(...args), set)
  const { changes, commit, due, fail, lease, firstDue, load, page, put, remove, renew } = backend
  const shifted: TokenStoreBackend = {
    ...{ load: ask(load), put: ask(put), lease: ask(lease), renew: ask(renew), commit: ask(commit), fail: ask(fail) },
    ...{ remove: ask(remove), due: ask(due), page: page && ask(page), changes },
    firstDue: firstDue && Effect.withClock(firstDue, set)
  }
  const setBack = (millis: number) =>
    Effect.sync(() => {
      behind += millis
    })
  return { backend: shifted, setBack }
})
