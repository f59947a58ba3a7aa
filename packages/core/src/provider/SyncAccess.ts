import * as Predicate from "effect/Predicate"
import type { AccessToken } from "../model/AccessToken.js"

/** What a provider can do besides for callers that run no fibers: the token that `get` would give at once at `now`, if any. */
export interface SyncAccess {
  readonly [TokenAt]: (now: number) => AccessToken | undefined
}

/** Where a provider keeps it. */
export const TokenAt: unique symbol = Symbol.for("@evertoken/core/TokenAt")

/** Whether a provider can. */
export const hasSyncAccess = (provider: object): provider is SyncAccess => Predicate.hasProperty(provider, TokenAt)
