import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TokenStore } from "../store/TokenStore.js"

/** Which keys have a provider now, of each store of this process. */
const living = new WeakMap<TokenStore["Type"], Map<string, number>>()

/**
 * Says so once where another provider of `key` lives on the same store: most often one is made for each request, so that
 * no request finds the token of the one before.
 */
export const alone = (store: TokenStore["Type"], key: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const keys = living.get(store) ?? new Map<string, number>()
      const others = keys.get(key) ?? 0
      living.set(store, keys.set(key, others + 1))
      return others === 1 ? Effect.logWarning(warning(key)) : Effect.void
    }),
    () =>
      Effect.sync(() => {
        const keys = living.get(store)
        const left = (keys?.get(key) ?? 0) - 1
        if (left > 0) keys?.set(key, left)
        else keys?.delete(key)
      })
  )

const warning = (key: string) =>
  `There is a second TokenProvider of "${key}" on the same store: each keeps its own token in memory and asks for it. ` +
  "Make one where the program starts, not one for each request, and use it everywhere"
