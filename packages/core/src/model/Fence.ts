import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { TokenEndpointError } from "./TokenError.js"

/**
 * Runs in the last step before a token request is sent, and fails where that must not happen any more. Outside of a
 * refresh it does nothing.
 */
export class Fence extends Context.Reference<Fence>()("@evertoken/core/Fence", {
  defaultValue: (): Effect.Effect<void, TokenEndpointError> => Effect.void
}) {}

/** The last step before a token request is sent. */
export const fence: Effect.Effect<void, TokenEndpointError> = Effect.flatten(Fence)
