// What each program says of its library, and the life that its token is taken through.
import { deepStrictEqual } from "node:assert/strict"
import { client } from "../programs/tokens.js"
import { advance } from "./clock.js"
import { behave, type FarSide, LIFE, revoke, seen } from "./far.js"

/** A library with our tokens. */
export interface Plug extends FarSide {
  /** One use of the library, as its user makes it. */
  readonly call: () => Promise<unknown>
  /** What it gives. */
  readonly gives: unknown
  /** After a refused token: the call itself succeeds with a newer one, or it fails and the next one succeeds. */
  readonly refusal: "repaired" | "next"
  /** Starts what the far side needs; gives back why it cannot, if it cannot. */
  readonly start?: () => Promise<string | undefined>
  readonly stop?: () => Promise<unknown>
}

/** One program. */
export const plug = (plug: Plug): Plug => plug

/** Takes a library through first call, expiry, refusal and recovery; gives back why it could not be run, if so. */
export const live = async (plug: Plug): Promise<string | undefined> => {
  behave(plug)
  const missing = await plug.start?.()
  if (missing !== undefined) return missing
  try {
    await client.forget()
    await step("the first call", plug, { posts: 1, refusals: 0 })
    await step("the second call", plug, { posts: 0, refusals: 0 })
    advance((LIFE + 60) * 1_000)
    await plug.accept?.("ended")
    await step("a call after the token has ended", plug, { posts: 1, refusals: 0 })
    await revoke()
    if (plug.refusal === "repaired") await step("a call whose token is refused", plug, { posts: 1, refusals: 1 })
    else {
      const failed = await plug.call().then(
        () => false,
        () => true
      )
      deepStrictEqual(failed, true, "a call whose token is refused: did not fail")
      await step("the call after one that was refused", plug, { posts: 1, refusals: 0 })
    }
    await step("the last call", plug, { posts: 0, refusals: 0 })
  } finally {
    await plug.stop?.()
  }
  return undefined
}

const step = async (what: string, plug: Plug, expected: { readonly posts: number; readonly refusals: number }) => {
  const before = { ...seen }
  try {
    deepStrictEqual(await plug.call(), plug.gives)
  } catch (error) {
    throw new Error(`${what} failed`, { cause: error })
  }
  const cost = { posts: seen.posts - before.posts, refusals: seen.refusals - before.refusals }
  // A far side that is no HTTP API does not count what it refuses.
  deepStrictEqual(plug.accept === undefined ? cost : { ...cost, refusals: expected.refusals }, expected, what)
}
