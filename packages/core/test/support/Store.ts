import { TokenStore } from "@evertoken/core"
import type { TokenStoreBackend, TokenStoreOptions } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"

/** The operations of a store that concern one key. */
export type Operation = "load" | "put" | "lease" | "renew" | "commit" | "fail" | "remove"

/** What happens to an operation instead of, or around, what it does. */
export type Harm = <A>(operation: Operation, key: string, does: Effect.Effect<A, unknown>) => Effect.Effect<A, unknown>

/** `backend` with `harm` around each of its operations. */
export const harmed = (backend: TokenStoreBackend, harm: Harm, options?: TokenStoreOptions): TokenStore["Type"] =>
  TokenStore.make(
    {
      ...backend,
      load: (key) => harm("load", key, backend.load(key)),
      put: (key, row) => harm("put", key, backend.put(key, row)),
      lease: (key, request) => harm("lease", key, backend.lease(key, request)),
      renew: (key, owner, lasts) => harm("renew", key, backend.renew(key, owner, lasts)),
      commit: (key, result) => harm("commit", key, backend.commit(key, result)),
      fail: (key, result) => harm("fail", key, backend.fail(key, result)),
      remove: (key) => harm("remove", key, backend.remove(key))
    },
    options
  )

/** A store in memory whose operations can be harmed while a test runs. */
export const harmable = (options?: TokenStoreOptions) =>
  Effect.map(MemoryTokenStore.backend(), (backend) => {
    let harm: Harm = (_, __, does) => does
    const store = harmed(backend, (operation, key, does) => harm(operation, key, does), options)
    return {
      backend,
      store,
      /** From now on. */
      harm: (next: Harm) => {
        harm = next
      },
      heal: () => {
        harm = (_, __, does) => does
      }
    }
  })
