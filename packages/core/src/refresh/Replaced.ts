import * as Equal from "effect/Equal"
import { TokenSet } from "../model/TokenSet.js"
import type { TokenSource } from "../model/TokenSource.js"

/**
 * What is to be revoked of `older` once `newer` tokens are saved in its place, if the source says so: nothing that goes
 * on, and nothing that has ended at `now`. Who revokes a refresh token ends its grant, and that goes on unless `newer` are
 * of a login.
 */
export const replacedBy = (
  { traits }: TokenSource,
  isLogin: boolean,
  older: TokenSet | undefined,
  newer: TokenSet,
  now: number
): TokenSet | undefined => {
  if (traits.revokes !== "replaced" || older === undefined) return undefined
  if (Equal.equals(older.accessToken, newer.accessToken)) return undefined
  const isKept = !isLogin || Equal.equals(older.refreshToken, newer.refreshToken)
  const refreshToken = isKept ? undefined : older.refreshToken
  if (refreshToken === undefined && now >= older.holdsUntil) return undefined
  return new TokenSet({ ...older, refreshToken })
}
