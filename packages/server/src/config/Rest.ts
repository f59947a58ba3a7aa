import type { TokenStore } from "@evertoken/core"
import * as Array from "effect/Array"
import { matches } from "./ApiKeys.js"
import { canLogIn } from "./Profiles.js"
import type { ConnectionSetting } from "./Settings.js"
import { patternOf } from "./Tenants.js"

/**
 * The store, where keys that names can be made up for are due for no worker: those of a pattern whose connection can log
 * in by itself. They are renewed for as long as somebody asks, by whoever is asked, and rest afterwards.
 */
export const withRest = (
  store: TokenStore["Type"],
  connections: ReadonlyArray<ConnectionSetting>
): TokenStore["Type"] => {
  const declared = connections.map((connection) => ({ key: patternOf(connection), canLogIn: canLogIn(connection) }))
  const [patterns, named] = Array.partition(declared, ({ key }) => !key.includes("*"))
  const exact = new Set(named.map(({ key }) => key))
  const rests = (key: string) => {
    const connection = exact.has(key) ? undefined : patterns.find((one) => matches(one.key, key))
    return connection?.canLogIn === true
  }
  const due = (key: string, dueIn: number | undefined) => (rests(key) ? undefined : dueIn)
  return {
    ...store,
    put: (key, tokens, dueIn) => store.put(key, tokens, due(key, dueIn)),
    restore: (key, request) => store.restore(key, { ...request, dueIn: due(key, request.dueIn) }),
    commit: (key, result) => store.commit(key, { ...result, dueIn: due(key, result.dueIn) })
  }
}
