import * as Exit from "effect/Exit"
import { AccessToken } from "../model/AccessToken.js"
import type { TokenSet } from "../model/TokenSet.js"
import type { Failure } from "../store/Failure.js"

/** The tokens in use. Instants are epoch milliseconds, `Infinity` where there is none. */
export interface CachedToken {
  readonly tokens: TokenSet
  readonly token: AccessToken
  readonly renewAt: number
  readonly expiresAt: number
  readonly rejected: boolean
  /** Who brought them: a request of this process, or somebody else. */
  readonly by: Failure["by"] | "elsewhere"
  /** When the refresh token ends for good, if that is soon. */
  readonly endsAt: number | undefined
  /** How far the wall clock that its instants are of was ahead of the steady one, in milliseconds. */
  readonly offset: number
  /** The token as a result, ready to be handed out. */
  readonly served: Exit.Exit<AccessToken>
}

/** The same by a wall clock that went back by `-step` milliseconds since: its instants would come that much too late. */
export const setBack = (current: CachedToken, step: number): CachedToken => {
  const tokens = current.tokens.shifted(step)
  const token = AccessToken.of(tokens, current.token.generation)
  const instants = {
    renewAt: current.renewAt + step,
    expiresAt: current.expiresAt + step,
    offset: current.offset + step
  }
  return { ...current, tokens, token, ...instants, served: Exit.succeed(token) }
}

/** The same tokens as another generation. */
export const renumbered = (current: CachedToken, generation: number): CachedToken => {
  const token = AccessToken.of(current.tokens, generation)
  return { ...current, token, served: Exit.succeed(token) }
}
