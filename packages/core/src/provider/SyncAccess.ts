import * as Predicate from "effect/Predicate"
import type { AccessToken } from "../model/AccessToken.js"

/** What a provider can do besides for callers that run no fibers: the token that `get` would give at once at `now`, if any. */
export interface Peeking {
  readonly [Peek]: (now: number) => AccessToken | undefined
}

/** Where a provider keeps it. */
export const Peek: unique symbol = Symbol.for("@evertoken/core/Peek")

/** Whether a provider can. */
export const isPeeking = (provider: object): provider is Peeking => Predicate.hasProperty(provider, Peek)
